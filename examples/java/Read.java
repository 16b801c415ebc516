// Waits for a verdict and prints it: java -cp postgresql.jar Read.java ID [SECONDS]

import java.sql.DriverManager;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;

public class Read {
    private static final String QUERY =
            "SELECT verdict, damage_count, worst_severity, reason_code FROM verdicts WHERE id = ?";

    public static void main(String[] arguments) throws InterruptedException {
        String url = System.getenv("JDBC_URL");
        if (url == null || arguments.length == 0) {
            fail(2, "Set JDBC_URL and run: java -cp postgresql.jar Read.java ID [SECONDS]");
        }
        long seconds = arguments.length > 1 ? Long.parseLong(arguments[1]) : 120;
        Instant end = Instant.now().plus(Duration.ofSeconds(seconds));
        DriverManager.setLoginTimeout(5);
        try (var connection = DriverManager.getConnection(url);
                var query = connection.prepareStatement(QUERY)) {
            query.setString(1, arguments[0]);
            query.setQueryTimeout(20);
            do {
                try (var row = query.executeQuery()) {
                    if (row.next()) {
                        System.out.printf("%s, %d damaged areas, worst severity %s, reason %s%n",
                                row.getString("verdict"), row.getInt("damage_count"),
                                row.getString("worst_severity"), row.getString("reason_code"));
                        return;
                    }
                }
                Thread.sleep(1_000);
            } while (Instant.now().isBefore(end));
            fail(1, "no verdict for %s within %d seconds".formatted(arguments[0], seconds));
        } catch (SQLException error) {
            fail(1, "Reading failed: " + error.getMessage());
        }
    }

    private static void fail(int status, String message) {
        System.err.println(message);
        System.exit(status);
    }
}
