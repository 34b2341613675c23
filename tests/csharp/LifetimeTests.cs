// Handles, threads and callbacks: what is disposed throws, what is forgotten goes away, what is thrown arrives.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Pensee.Tests
{
    public class LifetimeTests
    {
        private static readonly Options Endless = new Options { Temperature = 0, LoopGuard = LoopGuard.Off };

        private readonly Model _model = Scenarios.Model;

        [Fact]
        public void A_disposed_model_throws_and_its_sessions_live_on()
        {
            var model = new Model(Scenarios.ModelPath);
            var session = model.NewSession();
            model.Dispose();
            model.Dispose();
            Assert.Throws<ObjectDisposedException>(() => model.Tokenize("a"));
            Assert.Throws<ObjectDisposedException>(() => model.NewSession());
            Assert.Throws<ObjectDisposedException>(() => model.Ask("Hi"));
            Assert.Throws<ObjectDisposedException>(() => model.Generate("Hi"));
            Assert.Throws<ObjectDisposedException>(() => model.Logits(new[] { 1 }));
            Assert.Throws<ObjectDisposedException>(() => _model.Ask("Hi", new Options { DraftModel = model }));
            Assert.Equal("qwen2", model.Info.Architecture);
            Assert.Equal(4, session.Ask("Hi", new Options { MaxTokens = 4 }).TokenIds.Count);
            session.Dispose();
        }

        [Fact]
        public void A_disposed_session_throws_and_its_stream_goes_on()
        {
            var session = _model.NewSession();
            var stream = session.Generate("Hi", new Options { MaxTokens = 4 });
            session.Dispose();
            session.Dispose();
            Assert.Throws<ObjectDisposedException>(() => session.Ask("Hi"));
            Assert.Throws<ObjectDisposedException>(() => session.Tokens);
            Assert.Throws<ObjectDisposedException>(() => session.Cancel());
            Assert.Throws<ObjectDisposedException>(() => session.Fork());
            Assert.Equal(4, stream.Count(e => e.TokenId != null));
        }

        [Fact]
        public void A_disposed_stream_throws_and_frees_its_session()
        {
            using (var session = _model.NewSession())
            {
                var stream = session.Generate("Hi", Endless);
                Assert.NotNull(stream.Next());
                Assert.Equal(Status.Busy, Assert.Throws<PenseeException>(() => session.Generate("Hi")).Status);
                stream.Dispose();
                stream.Dispose();
                Assert.Throws<ObjectDisposedException>(() => stream.Next());
                Assert.Throws<ObjectDisposedException>(() => stream.Cancel());
                Assert.Throws<ObjectDisposedException>(() => stream.EndThought());
                Assert.Equal(3, session.Ask("Hi", new Options { MaxTokens = 3 }).TokenIds.Count);
                foreach (var first in session.Generate("Hi", Endless)) break;
                Assert.Equal(3, session.Ask("Hi", new Options { MaxTokens = 3 }).TokenIds.Count);
            }
        }

        [Fact]
        public void The_end_of_a_stream_frees_its_session()
        {
            using (var session = _model.NewSession())
            {
                for (var i = 0; i < 3; i++)
                {
                    var stream = session.Generate("Hi", new Options { MaxTokens = 3 });
                    while (stream.Next() != null)
                    {
                    }
                    Assert.True(stream.Ended);
                    Assert.Null(stream.Next());
                }
            }
        }

        [Fact]
        public void Disposing_while_other_threads_use_never_crashes()
        {
            for (var round = 0; round < 20; round++)
            {
                var session = _model.NewSession();
                var stream = session.Generate("Hi", Endless);
                var wrong = new List<Exception>();
                var threads = Enumerable.Range(0, 4).Select(i => new Thread(() =>
                {
                    try
                    {
                        while (true)
                        {
                            if (i == 0) stream.EndThought();
                            else if (i == 1) session.Cancel();
                            else if (stream.Next() == null) break;
                        }
                    }
                    catch (ObjectDisposedException)
                    {
                    }
                    catch (Exception error)
                    {
                        lock (wrong) wrong.Add(error);
                    }
                })).ToList();
                threads.ForEach(thread => thread.Start());
                Thread.Sleep(round % 5);
                if (round % 2 == 0) session.Dispose();
                stream.Dispose();
                session.Dispose();
                threads.ForEach(thread => thread.Join());
                Assert.Equal("", string.Join("\n", wrong));
            }
        }

        [Fact]
        public void Disposing_a_model_under_work_waits_for_nobody()
        {
            var model = new Model(Scenarios.ModelPath);
            var started = new ManualResetEventSlim();
            var thread = new Thread(() =>
            {
                try
                {
                    while (true)
                    {
                        model.Logits(Enumerable.Range(1, 64));
                        started.Set();
                    }
                }
                catch (ObjectDisposedException)
                {
                }
            });
            thread.Start();
            started.Wait();
            model.Dispose();
            thread.Join();
        }

        [Fact]
        public void What_is_forgotten_is_collected()
        {
            for (var i = 0; i < 20; i++) Forget(); // 40 streams: fewer than run at once
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            Assert.Equal(3, _model.Ask("Hi", new Options { MaxTokens = 3 }).TokenIds.Count);
        }

        [Fact]
        public void A_second_thread_on_a_session_is_told_that_it_is_busy()
        {
            using (var model = new Model(Scenarios.ModelPath))
            using (var session = model.NewSession())
            {
                model.Pause(); // the reply cannot end before it is cancelled, however fast the machine is
                var stream = session.Generate("Hi", Endless);
                var reading = Task.Run(() => stream.Last());
                Assert.Equal(Status.Busy, Assert.Throws<PenseeException>(() => session.Tokens).Status);
                Assert.Equal(Status.Busy, Assert.Throws<PenseeException>(() => session.Ask("Hi")).Status);
                session.Cancel();
                Assert.Equal(FinishReason.Cancelled, ((Event.End)reading.Result).FinishReason);
            }
        }

        [Fact]
        public void A_paused_model_waits_and_a_trimmed_one_says_the_same()
        {
            using (var model = new Model(Scenarios.ModelPath, new ModelOptions { ThreadPriority = WorkerPriority.Low }))
            using (var session = model.NewSession())
            {
                var options = new Options { Temperature = 0, MaxTokens = 200, LoopGuard = LoopGuard.Off };
                var expected = session.Ask("Hi", options).TokenIds;
                model.Pause();
                using (var stream = session.Generate("Hi", options))
                {
                    Event? last = null;
                    for (var next = stream.Next(TimeSpan.FromMilliseconds(200)); next != null;
                         next = stream.Next(TimeSpan.FromMilliseconds(200))) last = next;
                    Assert.False(last is Event.End);
                    model.Resume();
                    Assert.True(stream.Last() is Event.End);
                }
                Assert.True(model.Trim(TrimLevel.Sessions) > 0);
                Assert.True(model.Memory.Used >= model.Memory.Weights && model.Memory.Weights > 0);
                model.SetThreads(1);
                Assert.Equal(1, model.Info.Threads);
                Assert.Equal(expected, session.Ask("Hi", options).TokenIds);
            }
        }

        [Fact]
        public void A_packed_file_holds_the_same_model()
        {
            var path = Path.Combine(Path.GetTempPath(), "pensee-" + Guid.NewGuid() + ".packed");
            try
            {
                Assert.Equal(Status.Cancelled, Assert.Throws<PenseeException>(
                    () => _model.SavePacked(path, fraction => false)).Status);
                Assert.False(File.Exists(path));
                var last = 0f;
                _model.SavePacked(path, fraction => (last = fraction) >= 0);
                Assert.Equal(1f, last);
                var ids = new[] { 1, 2, 3 };
                using (var packed = new Model(path))
                {
                    Assert.Equal(_model.Logits(ids), packed.Logits(ids));
                    Assert.True(packed.Memory.Mapped > 0 && packed.Memory.Weights == 0);
                }
                using (var read = new Model(path, new ModelOptions { PackedFile = PackedFile.Read }))
                {
                    Assert.Equal(_model.Logits(ids), read.Logits(ids));
                    Assert.True(read.Memory.Mapped == 0 && read.Memory.Weights > 0);
                }
            }
            finally
            {
                File.Delete(path);
            }
        }

        [Fact]
        public void Progress_is_told_on_this_thread()
        {
            var told = new List<float>();
            var thread = Thread.CurrentThread.ManagedThreadId;
            var options = new ModelOptions
            {
                Progress = fraction =>
                {
                    Assert.Equal(thread, Thread.CurrentThread.ManagedThreadId);
                    told.Add(fraction);
                    return true;
                },
            };
            new Model(Scenarios.ModelPath, options).Dispose();
            Assert.Equal(0f, told.First());
            Assert.Equal(1f, told.Last());
            Assert.Equal(told.OrderBy(fraction => fraction), told);
        }

        [Fact]
        public void Progress_cancels_and_what_it_throws_arrives()
        {
            var cancels = new ModelOptions { Progress = fraction => false };
            Assert.Equal(Status.Cancelled,
                         Assert.Throws<PenseeException>(() => new Model(Scenarios.ModelPath, cancels)).Status);
            var throws = new ModelOptions { Progress = Throw };
            Assert.Equal("mine", Assert.Throws<TimeZoneNotFoundException>(
                () => new Model(Scenarios.ModelPath, throws)).Message);
            Assert.Equal("mine", Assert.Throws<TimeZoneNotFoundException>(() => Model.FromMemory(
                File.ReadAllBytes(Scenarios.ModelPath), throws)).Message);
            Assert.Equal("mine", Assert.Throws<TimeZoneNotFoundException>(() => _model.Score(
                new[] { 1, 2, 3 }, progress: Throw)).Message);
            Assert.Equal(Status.Cancelled, Assert.Throws<PenseeException>(
                () => _model.Score(new[] { 1, 2, 3 }, progress: fraction => false)).Status);
        }

        [Fact]
        public async Task Asking_without_a_thread_gives_the_same()
        {
            var options = new Options { Temperature = 0, MaxTokens = 12 };
            var expected = _model.Ask("Hi", options).TokenIds;
            var replies = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => _model.AskAsync("Hi", options)));
            foreach (var reply in replies) Assert.Equal(expected, reply.TokenIds);
            var vote = await _model.VoteAsync("Hi", options, new VoteOptions { N = 3, All = true });
            Assert.Equal(3, vote.Replies.Count);
        }

        [Fact]
        public async Task Cancelling_a_task_cancels_the_reply()
        {
            using (var model = new Model(Scenarios.ModelPath))
            using (var session = model.NewSession())
            using (var cancel = new CancellationTokenSource())
            {
                model.Pause(); // the reply cannot end before it is cancelled, however fast the machine is
                var asking = session.AskAsync("Hi", Endless, cancel.Token);
                cancel.CancelAfter(20);
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asking);
                model.Resume();
                Assert.Equal(3, session.Ask("Hi", new Options { MaxTokens = 3 }).TokenIds.Count);
                await Assert.ThrowsAnyAsync<OperationCanceledException>(
                    () => session.AskAsync("Hi", null, cancel.Token));
            }
            await Assert.ThrowsAsync<PenseeException>(() => _model.AskAsync("Hi", new Options { TopP = 2 }));
        }

        [Fact]
        public async Task Events_can_be_awaited()
        {
            var options = new Options { Temperature = 0, MaxTokens = 100, ThinkBudget = 20 };
            var expected = _model.Ask("Hi", options).TokenIds;
            var replies = await Task.WhenAll(Enumerable.Range(0, 6).Select(async _ =>
            {
                var ids = new List<int>();
                using (var stream = _model.Generate("Hi", options))
                {
                    for (var next = await stream.NextAsync(); next != null; next = await stream.NextAsync())
                    {
                        if (next.TokenId != null) ids.Add(next.TokenId.Value);
                    }
                    Assert.True(stream.Ended);
                    Assert.Null(await stream.NextAsync());
                    Assert.Null(stream.Next());
                }
                return ids;
            }));
            foreach (var ids in replies) Assert.Equal(expected, ids);
        }

        [Fact]
        public async Task Awaiting_is_cancelled_disposed_and_fails_as_it_should()
        {
            using (var session = _model.NewSession())
            using (var cancel = new CancellationTokenSource())
            {
                var stream = session.Generate("Hi", Endless);
                Assert.NotNull(await stream.NextAsync(cancel.Token));
                cancel.Cancel();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stream.NextAsync(cancel.Token));
                stream.Dispose();
                await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.NextAsync());
            }
            using (var session = _model.NewSession())
            {
                var stream = session.Generate("Hi", Endless);
                Assert.NotNull(await stream.NextAsync());
                stream.Cancel();
                Event? last = null;
                for (var next = await stream.NextAsync(); next != null; next = await stream.NextAsync()) last = next;
                Assert.Equal(FinishReason.Cancelled, ((Event.End)last!).FinishReason);
            }
        }

        private static bool Throw(float fraction)
        {
            throw new TimeZoneNotFoundException("mine");
        }

        private void Forget()
        {
            var stream = _model.NewSession().Generate("Hi", Endless);
            Assert.NotNull(stream.Next());
            stream = _model.Generate("Hi", Endless);
            Assert.NotNull(stream.NextAsync().Result); // its pump waits for room and does not keep the stream
        }
    }
}
