// A conversation: questions come from the standard input, one a line; the thought is shown dimmed, then the answer. The
// session gets the whole conversation each time and computes only what is new. The same program stands beside this one
// in C, C++, Python and Java.
//
//   dotnet run --project examples/csharp -- MODEL [MAX_TOKENS [SEED]]
//
// MAX_TOKENS: of each reply, 1000 by default; SEED: same seed, same text.
using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Pensee;

public static class Chat
{
    private static readonly TextWriter Out =
        new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { AutoFlush = true };

    public static int Main(string[] arguments)
    {
        if (arguments.Length < 1 || arguments.Length > 3)
        {
            Console.Error.WriteLine("usage: chat MODEL [MAX_TOKENS [SEED]]");
            return 2;
        }
        var maxTokens = arguments.Length > 1 ? long.Parse(arguments[1]) : 1000;
        var options = new Options
        {
            MaxTokens = maxTokens,
            ThinkBudget = maxTokens / 2, // then the thought is closed and the answer follows
            Seed = arguments.Length > 2 ? ulong.Parse(arguments[2]) : 0,
        };
        try
        {
            using (var model = new Model(arguments[0]))
            using (var session = model.NewSession())
            {
                Converse(session, options);
            }
            return 0;
        }
        catch (PenseeException error)
        {
            Console.Error.WriteLine("chat: " + error.Message);
            return 1;
        }
    }

    private static void Converse(Session session, Options options)
    {
        var questions = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false));
        var messages = new List<Message>();
        Out.Write("> ");
        for (var line = questions.ReadLine(); line != null; line = questions.ReadLine())
        {
            if (line.Length > 0)
            {
                messages.Add(Message.User(line));
                messages.Add(Message.Assistant(TakeTurn(session, messages, options)));
            }
            Out.Write("> ");
        }
        Out.Write("\n");
    }

    // One reply, shown as it comes. Returns its answer.
    private static string TakeTurn(Session session, List<Message> messages, Options options)
    {
        var answer = new StringBuilder();
        var shown = default(EventKind); // of what was printed last
        foreach (var next in session.Generate(messages, options))
        {
            if (next is Event.End end)
            {
                var usage = end.Usage;
                Out.Write("\u001b[0m\n[{0} of {1} prompt tokens kept, {2} of thought, {3} of answer]\n",
                          usage.CachedTokens, usage.PromptTokens, usage.ThoughtTokens, usage.AnswerTokens);
            }
            if (next.Text.Length == 0) continue;
            if (next.Kind != shown) Out.Write(next is Event.Thought ? "\u001b[2m" : shown != 0 ? "\u001b[0m\n" : "");
            shown = next.Kind;
            if (next is Event.Answer) answer.Append(next.Text);
            Out.Write(next.Text);
        }
        return answer.ToString().TrimStart(' ', '\t', '\r', '\n');
    }
}
