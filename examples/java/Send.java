// Sends a photo and prints its inspection's id, with the JDK alone: java Send.java PHOTO [ID]

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Send {
    private static final String CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8";
    private static final DateTimeFormatter TIME =
            DateTimeFormatter.ofPattern("yyyyMMdd'T'HHmmss'Z'").withZone(ZoneOffset.UTC);

    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 0) {
            fail(2, "Run: java Send.java PHOTO [ID]");
        }
        String id = arguments.length > 1 ? arguments[1] : UUID.randomUUID().toString();
        String message = """
                {"image_url": %s, "car_id": 7, "inspection": {"id": %s}}"""
                .formatted(quoted(arguments[0]), quoted(id));
        String body = "Action=SendMessage&Version=2012-11-05&MessageBody="
                + URLEncoder.encode(message, UTF_8);
        URI queue = URI.create(variable("DAMAGE_QUEUE_URL"));
        HttpRequest request = signed(queue, body, Instant.now());
        HttpClient client = HttpClient.newBuilder()
                .version(HttpClient.Version.HTTP_1_1)
                .connectTimeout(Duration.ofSeconds(5))
                .build();
        try {
            var response = client.send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() != 200) {
                fail(1, "SQS answered %d: %s".formatted(response.statusCode(), response.body()));
            }
        } catch (IOException error) {
            fail(1, "%s does not answer: %s\nSend the photo again with the same id: %s"
                    .formatted(queue.getAuthority(), error, id));
        }
        System.out.println(id);
    }

    /** A POST request of SQS's query protocol with Signature Version 4. */
    private static HttpRequest signed(URI queue, String body, Instant now)
            throws GeneralSecurityException {
        String time = TIME.format(now);
        String date = time.substring(0, 8);
        String region = variable("AWS_REGION");
        var headers = new TreeMap<>(Map.of(
                "content-type", CONTENT_TYPE, "host", queue.getAuthority(), "x-amz-date", time));
        String sessionToken = System.getenv("AWS_SESSION_TOKEN");
        if (sessionToken != null) {
            headers.put("x-amz-security-token", sessionToken);
        }

        String names = String.join(";", headers.keySet());
        var canonical = new StringBuilder("POST\n" + queue.getRawPath() + "\n\n");
        headers.forEach((name, value) -> canonical.append(name + ":" + value + "\n"));
        canonical.append("\n" + names + "\n" + sha256(body));
        String scope = String.join("/", date, region, "sqs", "aws4_request");
        String toSign = String.join("\n", "AWS4-HMAC-SHA256", time, scope, sha256(canonical.toString()));
        byte[] key = ("AWS4" + variable("AWS_SECRET_ACCESS_KEY")).getBytes(UTF_8);
        for (String part : scope.split("/")) {
            key = hmac(key, part);
        }
        String signature = HexFormat.of().formatHex(hmac(key, toSign));

        var request = HttpRequest.newBuilder(queue)
                .timeout(Duration.ofSeconds(20))
                .header("authorization", "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s"
                        .formatted(variable("AWS_ACCESS_KEY_ID"), scope, names, signature))
                .POST(HttpRequest.BodyPublishers.ofString(body));
        headers.remove("host"); // The client sends it itself.
        headers.forEach(request::header);
        return request.build();
    }

    private static String sha256(String text) throws GeneralSecurityException {
        byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(UTF_8));
        return HexFormat.of().formatHex(digest);
    }

    private static byte[] hmac(byte[] key, String text) throws GeneralSecurityException {
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        return mac.doFinal(text.getBytes(UTF_8));
    }

    /** A JSON string; URLs and ids have no control characters. */
    private static String quoted(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    private static String variable(String name) {
        String value = System.getenv(name);
        if (value == null || value.isEmpty()) {
            fail(2, "Set " + name);
        }
        return value;
    }

    private static void fail(int status, String message) {
        System.err.println(message);
        System.exit(status);
    }
}
