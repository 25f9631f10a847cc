// Apache Curator's service discovery on command, for tests beside our registry. Arguments: connect
// string, base path. Reads lines "ID COMMAND ARGUMENT..." and answers each with "ID TEXT"; the answer
// to one that failed is "ID failed ...". Ends with its input.
//
//   offer SERVICE NAME PORT [KEY VALUE]   register an instance with such a payload, or none
//   update NAME PORT                      change its port and disable it
//   withdraw NAME                         take it back
//   list SERVICE                          all instances, asked now: "name:port payload enabled, ..."
//   cached SERVICE                        the same from a ServiceCache that follows the service
//   pick SERVICE                          the name of one that a ServiceProvider chooses, or "nobody"

import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Scanner;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryNTimes;
import org.apache.curator.x.discovery.ServiceCache;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;
import org.apache.curator.x.discovery.ServiceInstanceBuilder;
import org.apache.curator.x.discovery.ServiceProvider;
import org.apache.curator.x.discovery.details.JsonInstanceSerializer;

public class Discovery {
    static ServiceDiscovery<Map> discovery;
    static final Map<String, ServiceInstance<Map>> offered = new HashMap<>();
    static final Map<String, ServiceCache<Map>> caches = new HashMap<>();
    static final Map<String, ServiceProvider<Map>> providers = new HashMap<>();

    static ServiceInstanceBuilder<Map> instance(String service, String name, String port)
            throws Exception {
        return ServiceInstance.<Map>builder()
                .name(service).id(name).address("10.0.0.9").port(Integer.parseInt(port));
    }

    static String shown(Collection<ServiceInstance<Map>> found) {
        TreeSet<String> texts = new TreeSet<>();
        for (ServiceInstance<Map> each : found) {
            texts.add(each.getId() + ":" + each.getPort() + " " + each.getPayload()
                    + (each.isEnabled() ? "" : " disabled"));
        }
        return String.join(", ", texts);
    }

    static String obey(String[] words) throws Exception {
        String name = words[2];
        switch (words[1]) {
            case "offer":
                ServiceInstanceBuilder<Map> made = instance(name, words[3], words[4]);
                if (words.length > 5) {
                    made.payload(new HashMap<>(Map.of(words[5], words[6])));
                }
                offered.put(words[3], made.build());
                discovery.registerService(offered.get(words[3]));
                return "offered";
            case "update":
                String service = offered.get(name).getName();
                offered.put(name, instance(service, name, words[3]).enabled(false).build());
                discovery.updateService(offered.get(name));
                return "updated";
            case "withdraw":
                discovery.unregisterService(offered.remove(name));
                return "withdrawn";
            case "list":
                return shown(discovery.queryForInstances(name));
            case "cached":
                if (!caches.containsKey(name)) {
                    caches.put(name, discovery.serviceCacheBuilder().name(name).build());
                    caches.get(name).start();
                }
                return shown(caches.get(name).getInstances());
            case "pick":
                if (!providers.containsKey(name)) {
                    providers.put(name,
                            discovery.serviceProviderBuilder().serviceName(name).build());
                    providers.get(name).start();
                }
                ServiceInstance<Map> chosen = providers.get(name).getInstance();
                return chosen == null ? "nobody" : chosen.getId();
            default:
                throw new IllegalArgumentException(words[1]);
        }
    }

    public static void main(String[] args) throws Exception {
        CuratorFramework client =
                CuratorFrameworkFactory.newClient(args[0], 10000, 10000, new RetryNTimes(5, 100));
        client.start();
        if (!client.blockUntilConnected(30, TimeUnit.SECONDS)) {
            System.exit(1);
        }
        // false: not as Curator 3 wrote them, which could not be disabled.
        discovery = ServiceDiscoveryBuilder.builder(Map.class).client(client).basePath(args[1])
                .serializer(new JsonInstanceSerializer<>(Map.class, false)).build();
        discovery.start();
        System.out.println("0 ready");
        Scanner input = new Scanner(System.in);
        while (input.hasNextLine()) {
            String[] words = input.nextLine().trim().split(" ");
            String answer;
            try {
                answer = obey(words);
            } catch (Exception failure) {
                answer = "failed " + failure;
            }
            System.out.println(words[0] + " " + answer);
        }
        System.exit(0);
    }
}
