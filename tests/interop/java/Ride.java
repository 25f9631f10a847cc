// A client of Apache ZooKeeper's Java library that writes ever greater numbers to a register until
// its input ends. Connection loss is what a program must expect when servers die; anything else
// ends it with status 1. Arguments: connect string, path, session timeout in ms. Its output:
// "ready", then at the end "sent N acknowledged M session 0x.. connections C".

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Watcher.Event.KeeperState;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooKeeper;

public class Ride {
    static final AtomicInteger connections = new AtomicInteger();
    static final AtomicBoolean isOver = new AtomicBoolean();

    interface Call {
        void run() throws KeeperException, InterruptedException;
    }

    /** True when it was answered, false when the connection was lost first. */
    static boolean attempt(Call call) throws KeeperException, InterruptedException {
        try {
            call.run();
            return true;
        } catch (KeeperException.ConnectionLossException lost) {
            return false;
        }
    }

    static void create(ZooKeeper client, String path, CreateMode mode)
            throws KeeperException, InterruptedException {
        while (true) {
            try {
                byte[] zero = "0".getBytes();
                if (attempt(() -> client.create(path, zero, ZooDefs.Ids.OPEN_ACL_UNSAFE, mode))) {
                    return;
                }
            } catch (KeeperException.NodeExistsException made) {
                return; // by a call whose answer was lost
            }
        }
    }

    public static void main(String[] args) throws Exception {
        ZooKeeper client = new ZooKeeper(args[0], Integer.parseInt(args[2]), event -> {
            if (event.getState() == KeeperState.SyncConnected && event.getPath() == null) {
                connections.incrementAndGet();
            }
            if (event.getState() == KeeperState.Expired) {
                System.out.println("the session is lost");
                System.exit(1);
            }
        });
        create(client, args[1], CreateMode.PERSISTENT);
        create(client, args[1] + "-mine", CreateMode.EPHEMERAL);
        System.out.println("ready");
        Thread reader = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                    continue;
                }
            } catch (java.io.IOException gone) {
                System.err.println(gone);
            }
            isOver.set(true);
        });
        reader.setDaemon(true);
        reader.start();
        int sent = 0;
        int acknowledged = 0;
        while (!isOver.get()) {
            byte[] number = Integer.toString(++sent).getBytes();
            if (attempt(() -> client.setData(args[1], number, -1))) {
                acknowledged = sent;
            }
        }
        System.out.printf("sent %d acknowledged %d session 0x%x connections %d%n",
                sent, acknowledged, client.getSessionId(), connections.get());
        System.exit(0); // the session stays, so that its ephemeral can be looked at
    }
}
