// A conversation: questions come from the standard input, one a line; the thought is shown dimmed, then the answer. The
// session gets the whole conversation each time and computes only what is new. The same program stands beside this one
// in C, C++, Python and C#.
//
//   java -cp bindings/java/pensee/target/pensee-0.2.0.jar examples/java/Chat.java MODEL [MAX_TOKENS [SEED]]
//
// MAX_TOKENS: of each reply, 1000 by default; SEED: same seed, same text.
import java.io.BufferedReader;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.pensee.Event;
import org.pensee.Message;
import org.pensee.Model;
import org.pensee.Options;
import org.pensee.PenseeException;
import org.pensee.Prompt;
import org.pensee.Session;
import org.pensee.Stream;

public class Chat {
    private static final PrintStream OUT =
        new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);

    public static void main(String[] arguments) throws IOException {
        if (arguments.length < 1 || arguments.length > 3) {
            System.err.println("usage: chat MODEL [MAX_TOKENS [SEED]]");
            System.exit(2);
        }
        long maxTokens = arguments.length > 1 ? Long.parseLong(arguments[1]) : 1000;
        Options options = Options.builder()
            .maxTokens(maxTokens)
            .thinkBudget(maxTokens / 2) // then the thought is closed and the answer follows
            .seed(arguments.length > 2 ? Long.parseUnsignedLong(arguments[2]) : 0)
            .build();
        try (Model model = new Model(arguments[0]); Session session = model.newSession()) {
            converse(session, options);
        } catch (PenseeException error) {
            System.err.println("chat: " + error.getMessage());
            System.exit(1);
        }
    }

    private static void converse(Session session, Options options) throws IOException {
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        List<Message> messages = new ArrayList<>();
        OUT.print("> ");
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            if (!line.isEmpty()) {
                messages.add(Message.user(line));
                messages.add(Message.assistant(takeTurn(session, messages, options)));
            }
            OUT.print("> ");
        }
        OUT.print("\n");
    }

    // One reply, shown as it comes. Returns its answer.
    private static String takeTurn(Session session, List<Message> messages, Options options) {
        StringBuilder answer = new StringBuilder();
        Event.Kind shown = null; // of what was printed last
        try (Stream stream = session.generate(Prompt.of(messages), options)) {
            for (Event event : stream) {
                if (event instanceof Event.End end) {
                    OUT.printf("\u001b[0m\n[%d of %d prompt tokens kept, %d of thought, %d of answer]\n",
                               end.usage().cachedTokens(), end.usage().promptTokens(), end.usage().thoughtTokens(),
                               end.usage().answerTokens());
                }
                if (event.text().isEmpty()) continue;
                if (event.kind() != shown) {
                    OUT.print(event instanceof Event.Thought ? "\u001b[2m" : shown != null ? "\u001b[0m\n" : "");
                }
                shown = event.kind();
                if (event instanceof Event.Answer) answer.append(event.text());
                OUT.print(event.text());
            }
        }
        return answer.toString().replaceFirst("^[ \t\r\n]+", "");
    }
}
