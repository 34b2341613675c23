// await foreach and await using, which mono's compiler does not know.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Pensee.Tests
{
    public class AsyncTests
    {
        private static readonly Options Endless = new Options { Temperature = 0, LoopGuard = LoopGuard.Off };

        private readonly Model _model = Scenarios.Model;

        [Fact]
        public async Task Await_foreach_brings_every_event()
        {
            foreach (var row in Scenarios.Rows("replies"))
            {
                var ids = new List<int>();
                Event? last = null;
                await using var stream = _model.Generate(Scenarios.PromptOf(row), Scenarios.OptionsOf(row));
                await foreach (var next in stream)
                {
                    if (next.TokenId is { } id) ids.Add(id);
                    last = next;
                }
                Assert.Equal(Scenarios.Ids(Scenarios.Map(row["expected"])["token_ids"]), ids);
                Assert.Equal(EventKind.End, last?.Kind);
            }
        }

        [Fact]
        public async Task A_token_cancels_and_the_session_is_free()
        {
            using var session = _model.NewSession();
            using var cancel = new CancellationTokenSource();
            var count = 0;
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            {
                await foreach (var next in session.Generate("Hi", Endless).WithCancellation(cancel.Token))
                {
                    if (++count == 5) cancel.Cancel();
                }
            });
            Assert.Equal(5, count);
            Assert.Equal(3, session.Ask("Hi", new Options { MaxTokens = 3 }).TokenIds.Count);
        }

        [Fact]
        public async Task Leaving_early_frees_the_session()
        {
            using var session = _model.NewSession();
            for (var i = 0; i < 3; i++)
            {
                await foreach (var next in session.Generate("Hi", Endless)) break;
            }
            Assert.Equal(3, session.Ask("Hi", new Options { MaxTokens = 3 }).TokenIds.Count);
        }

        [Fact]
        public async Task Many_streams_at_once_in_few_threads()
        {
            var options = new Options { Temperature = 0, MaxTokens = 30 };
            var expected = _model.Ask("Hi", options).TokenIds;
            await Task.WhenAll(Enumerable.Range(0, 20).Select(async _ =>
            {
                var ids = new List<int>();
                await foreach (var next in _model.Generate("Hi", options)) if (next.TokenId is { } id) ids.Add(id);
                Assert.Equal(expected, ids);
            }));
        }
    }
}
