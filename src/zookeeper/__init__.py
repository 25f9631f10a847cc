"""`from zookeeper import ZooKeeper`: the small class of zoo.zookeeper, under a familiar name."""

from __future__ import annotations

from zoo.zookeeper import Got, ZooKeeper

__all__ = ["Got", "ZooKeeper"]
