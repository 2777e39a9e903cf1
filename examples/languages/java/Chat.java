import java.util.*;
import java.util.stream.Stream;
import org.json.JSONObject;
import redis.clients.jedis.CommandArguments;
import redis.clients.jedis.UnifiedJedis;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.util.KeyValue;
import redis.clients.jedis.util.SafeEncoder;

/**
 * CHAT.* commands through Jedis, with replies as maps and errors as ChatError.
 *
 * <pre>String id = new Chat(client).call("CHAT.SEND", "lobby", "alice", "hello");</pre>
 */
record Chat(UnifiedJedis client) {
    // The members of each reply that is an array; `name:a,b` is an array of rows with these.
    private static final Map<String, String> REPLIES = Map.ofEntries(
        Map.entry("CHAT.HISTORY", "last events more"), Map.entry("CHAT.READ", "cursor unread"),
        Map.entry("CHAT.PRESENCE", "users last"), Map.entry("CHAT.ERASE", "cursor changed"),
        Map.entry("CHAT.BEAT", "last unknown"), Map.entry("CHAT.FOLLOWS", "cursor rooms:room,since"),
        Map.entry("CHAT.SYNC", "recovered last events more"),
        Map.entry("CHAT.MEMBERS", "cursor members:user,role,joined"),
        Map.entry("CHAT.WHO", "cursor users connections online:user,status,connections,since"),
        Map.entry("CHAT.SANCTIONS", "cursor sanctions:user,banned,muted"),
        Map.entry("CHAT.UNREAD", ":unread,mentions,cursor,last"),
        Map.entry("CHAT.ROOMS", "cursor rooms:room,last,members,online,topic"),
        Map.entry("CHAT.CHANGES", "cursor anew rooms:room,last more"));

    /** A command was refused: `code` says why, `arguments` what or until when. */
    static class ChatError extends RuntimeException {
        final String code;
        final List<String> arguments;

        ChatError(Throwable cause, String code, String... arguments) {
            super(cause.getMessage(), cause);
            this.code = code;
            this.arguments = List.of(arguments);
        }
    }

    /** Answers null, a String, a Long, a Map or a List. A room as first word says which node. */
    @SuppressWarnings("unchecked")
    <T> T call(String command, Object... words) {
        CommandArguments sent = new CommandArguments(() -> SafeEncoder.encode(command));
        if (words.length > 0 && !command.matches("CHAT.(ROOMS|CHANGES)")) sent.key(words[0]);
        Stream.of(words).skip(sent.size() - 1).forEach(word -> sent.add(word.toString()));
        try {
            return (T) parse(command, SafeEncoder.encodeObject(client.executeCommand(sent)));
        } catch (JedisDataException error) {
            // `DENIED Redis is running in protected mode` is no code.
            String[] said = error.getMessage().replace("DENIED Redis", "").split(" ");
            switch (said[0]) {
                case "INVALID", "DENIED", "BANNED", "MUTED", "RATELIMIT", "TOOBIG" ->
                    throw new ChatError(error, said[0], said[1]);
                case "NOROOM", "NOMSG", "NOTMEMBER", "FROZEN" -> throw new ChatError(error, said[0]);
                default -> throw error; // Of Redis itself, such as READONLY.
            }
        }
    }

    /** The parts of a reply with their names. */
    static Object parse(String command, Object reply) {
        String shape = REPLIES.get(command);
        if (command.startsWith("CHAT.ROOM") && shape == null) return map((List<?>) reply);
        if (shape == null || reply == null) return reply;
        if (shape.startsWith(":")) return rows(shape.substring(1), reply);
        return named(shape.split(" "), reply);
    }

    private static Map<String, Object> named(String[] names, Object reply) {
        Map<String, Object> all = new LinkedHashMap<>();
        for (int at = 0; at < names.length; at++) {
            Object value = ((List<?>) reply).get(at);
            String[] parts = names[at].split(":");
            all.put(parts[0], parts.length > 1 ? rows(parts[1], value) : switch (parts[0]) {
                case "more", "recovered", "anew" -> value.equals(1L);
                case "events" -> ((List<?>) value).stream()
                    .map(event -> new JSONObject((String) event).toMap()).toList();
                default -> value;
            });
        }
        return all;
    }

    /** A null stays in its place: in CHAT.UNREAD a user who is not a member. */
    private static List<Map<String, Object>> rows(String fields, Object reply) {
        String[] names = fields.split(",");
        Stream<?> all = ((List<?>) reply).stream();
        return all.map(row -> row == null ? null : named(names, row)).toList();
    }

    /** Jedis speaks RESP3, in which such a reply is made of pairs. */
    private static Map<String, Object> map(List<?> pairs) {
        Map<String, Object> all = new LinkedHashMap<>();
        for (Object one : pairs) {
            if (one instanceof KeyValue<?, ?> pair) all.put(pair.getKey() + "", pair.getValue());
        }
        return all;
    }
}
