"""The command line for people: `zoo shell`, the one-shot commands, export, import and top."""
