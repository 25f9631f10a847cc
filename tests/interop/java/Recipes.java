// Apache Curator's recipes on command, for tests of mixed fleets. Argument: connect string. Reads
// lines "ID COMMAND ARGUMENT...", obeys each in a thread of its own, and answers "ID TEXT" once it is
// done; the last line of an ID that failed is "ID failed ...". What an ID took is what
// "OTHER release ID" gives back, in the thread that took it. Ends with its input.
//
//   acquire KIND PATH LIMIT         lock, read, write, semaphore, latch: "held"
//   race KIND PATH LIMIT NUMBER N   N times: acquire, add 1 to the number by get and set, release
//   enter PATH MEMBERS              a double barrier; "release ID" leaves it
//   join PATH NAME                  a group; "members" lists, "release ID" leaves

import java.util.Map;
import java.util.Scanner;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.framework.recipes.nodes.GroupMember;
import org.apache.curator.retry.RetryNTimes;

public class Recipes {
    interface Step {
        void run() throws Exception;
    }

    static CuratorFramework client;
    static final Map<String, ExecutorService> threads = new ConcurrentHashMap<>();
    static final Map<String, Step> givingBack = new ConcurrentHashMap<>();
    static final Map<String, GroupMember> groups = new ConcurrentHashMap<>();

    static synchronized void say(String id, String text) {
        System.out.println(id + " " + text);
        System.out.flush();
    }

    /** Wait for it; what it returns gives it back. */
    static Step acquire(String kind, String path, int limit) throws Exception {
        if (kind.equals("semaphore")) {
            InterProcessSemaphoreV2 semaphore = new InterProcessSemaphoreV2(client, path, limit);
            Lease lease = semaphore.acquire();
            return () -> semaphore.returnLease(lease);
        }
        if (kind.equals("latch")) {
            LeaderLatch latch = new LeaderLatch(client, path, "curator");
            latch.start();
            latch.await();
            return latch::close;
        }
        InterProcessLock lock = new InterProcessMutex(client, path);
        if (kind.equals("read")) {
            lock = new InterProcessReadWriteLock(client, path).readLock();
        } else if (kind.equals("write")) {
            lock = new InterProcessReadWriteLock(client, path).writeLock();
        }
        lock.acquire();
        return lock::release;
    }

    static void race(String[] words) throws Exception {
        for (int n = Integer.parseInt(words[6]); n > 0; n--) {
            Step release = acquire(words[2], words[3], Integer.parseInt(words[4]));
            int number = Integer.parseInt(new String(client.getData().forPath(words[5])));
            client.setData().forPath(words[5], Integer.toString(number + 1).getBytes());
            release.run();
        }
    }

    static String obey(String[] words) throws Exception {
        switch (words[1]) {
            case "acquire":
                givingBack.put(words[0], acquire(words[2], words[3], Integer.parseInt(words[4])));
                return "held";
            case "race":
                race(words);
                return "done";
            case "enter":
                DistributedDoubleBarrier barrier =
                        new DistributedDoubleBarrier(client, words[2], Integer.parseInt(words[3]));
                barrier.enter();
                givingBack.put(words[0], barrier::leave);
                return "inside";
            case "join":
                GroupMember member = new GroupMember(client, words[2], words[3]);
                member.start();
                groups.put(words[2], member);
                givingBack.put(words[0], member::close);
                return "joined";
            case "members":
                return new TreeSet<>(groups.get(words[2]).getCurrentMembers().keySet()).toString();
            case "release":
                givingBack.remove(words[2]).run();
                return "released";
            default:
                throw new IllegalArgumentException(words[1]);
        }
    }

    static void take(String[] words) {
        String owner = words[1].equals("release") ? words[2] : words[0];
        threads.computeIfAbsent(owner, any -> Executors.newSingleThreadExecutor()).submit(() -> {
            try {
                say(words[0], obey(words));
            } catch (Exception failure) {
                say(words[0], "failed " + failure);
            }
        });
    }

    public static void main(String[] args) throws Exception {
        client = CuratorFrameworkFactory.newClient(args[0], 10000, 10000, new RetryNTimes(5, 100));
        client.start();
        if (!client.blockUntilConnected(30, TimeUnit.SECONDS)) {
            System.exit(1);
        }
        say("0", "ready");
        Scanner input = new Scanner(System.in);
        while (input.hasNextLine()) {
            take(input.nextLine().trim().split(" "));
        }
        client.close();
        System.exit(0);
    }
}
