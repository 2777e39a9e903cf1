import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.json.JSONObject;
import redis.clients.jedis.Connection;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.JedisShardedPubSub;
import redis.clients.jedis.RedisClient;
import redis.clients.jedis.RedisClusterClient;
import redis.clients.jedis.UnifiedJedis;

/**
 * A bot that greets whoever joins a room, and answers `!ping` and `!about`.
 *
 * <pre>java -cp 'target/lib/*:target/classes' Bot 127.0.0.1:6379 lobby [cluster]</pre>
 */
class Bot extends JedisShardedPubSub {
    private static final String NAME = "bot";
    /**
     * It asks for events so often, because a subscription may be deaf without saying so. The variable
     * ASK_SECONDS sets another time, as in tests.
     */
    private static final int ASK_SECONDS =
        Integer.parseInt(System.getenv().getOrDefault("ASK_SECONDS", "10"));

    private final Chat chat;
    private final String room;
    /** The newest event that was taken. */
    private String last;
    /** The last event that failed. */
    private Object failed;
    private boolean isReady;

    Bot(Chat chat, String room) {
        this.chat = chat;
        this.room = room;
    }

    public static void main(String[] arguments) throws InterruptedException {
        HostAndPort address = HostAndPort.from(arguments[0]);
        String room = arguments[1];
        boolean isCluster = arguments.length > 2 && arguments[2].equals("cluster");
        UnifiedJedis client;
        Consumer<Bot> subscribe;
        if (isCluster) {
            RedisClusterClient cluster = RedisClusterClient.create(address);
            client = cluster;
            subscribe = bot -> cluster.ssubscribe(bot, room);
        } else {
            // The client of a single server has no method for sharded channels, but connections do.
            RedisClient single = RedisClient.create(address);
            client = single;
            subscribe = bot -> {
                try (Connection connection = single.getPool().getResource()) {
                    bot.proceed(connection, room);
                }
            };
        }
        // Without this, Java ends with another exit code on SIGTERM.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> Runtime.getRuntime().halt(0)));
        try {
            new Bot(new Chat(client), room).run(subscribe);
        } catch (RuntimeException error) {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private void run(Consumer<Bot> subscribe) throws InterruptedException {
        chat.call("CHAT.JOIN", room, NAME, "BY", "*");
        Map<String, Object> found = chat.call("CHAT.ROOM_RO", room);
        last = (String) found.get("last");
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(work -> {
            Thread thread = new Thread(work);
            thread.setDaemon(true);
            return thread;
        });
        clock.scheduleWithFixedDelay(this::ask, ASK_SECONDS, ASK_SECONDS, TimeUnit.SECONDS);
        while (true) {
            try {
                ask(); // In a cluster this also finds out which node has the room now.
                subscribe.accept(this);
            } catch (RuntimeException error) {
                // The subscription ends with its connection.
                System.err.println("again, after: " + error);
            }
            Thread.sleep(500);
        }
    }

    /** It hears what happens from now on. What happened since the last event, it reads. */
    @Override
    public synchronized void onSSubscribe(String channel, int count) {
        if (!isReady) System.out.println("ready");
        isReady = true;
        ask();
    }

    @Override
    public synchronized void onSMessage(String channel, String text) {
        attempt(() -> follow(new JSONObject(text).toMap()));
    }

    /** Takes an event of the channel. If any before it were missed, CHAT.SYNC has them, and it. */
    private void follow(Map<String, Object> event) {
        if (event.containsKey("id") && !event.get("prev").equals(last)) {
            catchUp();
        } else {
            take(event);
        }
    }

    private synchronized void ask() {
        attempt(this::catchUp);
    }

    /**
     * Prints an error, and goes on. An error that leaves a callback would put a connection that is
     * still subscribed back into its pool, and one that leaves a repeated task would end it.
     */
    private static void attempt(Runnable work) {
        try {
            work.run();
        } catch (RuntimeException error) {
            System.err.println(error);
        }
    }

    private void catchUp() {
        boolean more = true;
        while (more) {
            Map<String, Object> page = chat.call("CHAT.SYNC", room, last);
            more = (boolean) page.get("more");
            // What was missed is lost: begin here.
            if (!(boolean) page.get("recovered")) last = (String) page.get("last");
            list(page, "events").forEach(this::take);
        }
    }

    private void take(Map<String, Object> event) {
        try {
            if (!NAME.equals(event.get("user"))) answer(event);
        } catch (Chat.ChatError error) {
            System.out.println("refused: " + error.code + " " + String.join(" ", error.arguments));
        } catch (RuntimeException error) {
            // The connection may be lost: CHAT.SYNC will have the event again. If it fails again, the
            // connection is not the reason, and the bot goes on after it.
            Object id = event.get("id");
            if (id != null && !id.equals(failed)) {
                failed = id;
                throw error;
            }
            System.err.println("passed over: " + event + " " + error);
        }
        last = (String) event.getOrDefault("id", last);
    }

    private void answer(Map<String, Object> event) {
        Object user = event.get("user");
        Object id = event.get("id");
        if (event.get("type").equals("member") && event.get("kind").equals("join")) {
            // If the bot takes the event again, the greeting is stored once. An event that is not
            // stored has no id, and comes once.
            Object nonce = id == null ? UUID.randomUUID() : "hello-" + id;
            say("hello " + user, "NONCE", nonce, "MENTION", 1, user);
        } else if (event.get("type").equals("message") && id != null) {
            // A message that was deleted has no text.
            if ("!ping".equals(event.get("text"))) say("pong", "NONCE", "pong-" + id, "REPLY", id);
            if ("!about".equals(event.get("text"))) say(about(), "EPHEMERAL", "REPLY", id);
        }
    }

    private void say(String text, Object... options) {
        Object[] words = new Object[options.length + 3];
        words[0] = room;
        words[1] = NAME;
        words[2] = text;
        System.arraycopy(options, 0, words, 3, options.length);
        chat.call("CHAT.SEND", words);
    }

    private String about() {
        Map<String, Object> about = chat.call("CHAT.ROOM_RO", room);
        StringBuilder text = new StringBuilder(about.get("members") + " members");
        Map<String, Object> list = chat.call("CHAT.MEMBERS", room, "COUNT", 1);
        for (Map<String, Object> member : list(list, "members")) {
            text.append(", " + member.get("role") + " " + member.get("user"));
        }
        Map<String, Object> page = chat.call("CHAT.HISTORY", room, "COUNT", 1);
        for (Map<String, Object> message : list(page, "events")) {
            text.append(", newest " + message.get("m"));
        }
        return text.toString();
    }

    @SuppressWarnings("unchecked")
    private static List<Map<String, Object>> list(Map<String, Object> reply, String name) {
        return (List<Map<String, Object>>) reply.get(name);
    }
}
