// Session: a conversation's memory. The library lets one thread at a time use it; here short calls wait for each other,
// and a call that comes while another one generates fails with Busy instead of waiting for it.
using System;
using System.Threading;
using System.Threading.Tasks;

namespace Pensee
{
    /// <summary>A conversation's memory. Hand it the whole conversation each time: only what is new after the longest
    /// common prefix is computed (<see cref="Usage.CachedTokens"/>). One reply at a time: <see cref="Status.Busy"/>.
    /// <see cref="Cancel"/> and <see cref="EndThought"/> from any thread.</summary>
    public sealed class Session : IDisposable
    {
        private const int CancelAgainMilliseconds = 10; // a cancel that came before the call began is not heard
        private readonly SessionHandle _handle;
        private readonly ModelInfo _info;
        private readonly object _turn = new object();
        private bool _generates;

        internal Session(IntPtr pointer, ModelInfo info)
        {
            _handle = new SessionHandle(pointer);
            _info = info;
        }

        /// <summary>The tokens that the session has computed.</summary>
        public int[] Tokens => Use(session => Reading.Sized<int>(
            256, (ids, size) => Native.pensee_session_tokens(session, ids, size)));

        /// <summary>Begins a reply; its events are pulled from the stream.</summary>
        public Stream Generate(Prompt prompt, Options? options = null)
        {
            using (var request = new Request(prompt, options))
            {
                var pointer = Use(session => Native.pensee_stream_open(session, request.Prompt, request.Options));
                return new Stream(pointer, _info, Math.Max(1, options?.N ?? 1));
            }
        }

        /// <summary>The whole reply.</summary>
        public Reply Ask(Prompt prompt, Options? options = null)
        {
            using (var request = new Request(prompt, options))
            {
                return Take(Generate(session => Native.pensee_session_ask(session, request.Prompt, request.Options)),
                            options?.TraceExperts ?? false);
            }
        }

        /// <summary>The whole reply; no thread of the caller waits. Cancelling stops it.</summary>
        public Task<Reply> AskAsync(Prompt prompt, Options? options = null,
                                    CancellationToken cancellationToken = default(CancellationToken))
        {
            return RunAsync(() => Ask(prompt, options), cancellationToken);
        }

        /// <summary>What replies to one prompt agree on. <see cref="Options.N"/> is not looked at.</summary>
        public Vote Vote(Prompt prompt, Options? options = null, VoteOptions? voteOptions = null)
        {
            using (var request = new Request(prompt, options))
            using (var native = new pensee_vote_options())
            {
                native.n = voteOptions?.N ?? native.n;
                native.weighting = (int)(voteOptions?.Weighting ?? VoteWeighting.Plain);
                native.all = voteOptions?.All == true ? 1 : 0;
                native.at_once = voteOptions?.AtOnce ?? native.at_once;
                var vote = Generate(
                    session => Native.pensee_session_vote(session, request.Prompt, request.Options, native));
                try
                {
                    return Reading.ToVote(vote, options?.TraceExperts ?? false);
                }
                finally
                {
                    Native.pensee_vote_free(vote);
                }
            }
        }

        /// <summary>The same; no thread of the caller waits. Cancelling stops the replies.</summary>
        public Task<Vote> VoteAsync(Prompt prompt, Options? options = null, VoteOptions? voteOptions = null,
                                    CancellationToken cancellationToken = default(CancellationToken))
        {
            return RunAsync(() => Vote(prompt, options, voteOptions), cancellationToken);
        }

        /// <summary>Stops what the session generates, within one token or one chunk of the prompt. Any
        /// thread.</summary>
        public void Cancel()
        {
            using (var session = _handle.Borrow()) Native.pensee_session_cancel(session.Pointer);
        }

        /// <summary>Closes the thought of what the session generates; the answer follows. Any thread.</summary>
        public void EndThought()
        {
            using (var session = _handle.Borrow()) Native.pensee_session_end_thought(session.Pointer);
        }

        /// <summary>A session of its own that knows what this one knows. Cheap: what was computed is shared.</summary>
        public Session Fork()
        {
            return new Session(Use(Native.pensee_session_fork), _info);
        }

        /// <summary>Forgets all but the first <paramref name="tokens"/> tokens.</summary>
        public void Rewind(long tokens)
        {
            if (tokens < 0) throw PenseeException.BadArgument("tokens", "is negative");
            Use(session =>
            {
                Native.pensee_session_rewind(session, tokens);
                return 0;
            });
        }

        /// <summary>Writes what was computed to a file, atomically; <see cref="Model.Restore(string)"/> reads
        /// it.</summary>
        public void Save(string path)
        {
            if (path == null) throw new ArgumentNullException(nameof(path));
            Use(session =>
            {
                Native.pensee_session_save(session, Texts.Checked(path, "path"));
                return 0;
            });
        }

        /// <summary><see cref="Save"/> into memory; <see cref="Model.Restore(byte[])"/> reads it.</summary>
        public byte[] ToBytes()
        {
            return Use(session => Reading.Sized<byte>(0, (data, size) => SaveTo(session, data, size)));
        }

        /// <summary>Forgets everything. A stream that still runs goes on to its end. May be called again.</summary>
        public void Dispose()
        {
            _handle.Dispose();
        }

        /// <summary>Reads and frees.</summary>
        internal static Reply Take(IntPtr reply, bool routed)
        {
            try
            {
                return Reading.ToReply(reply, routed);
            }
            finally
            {
                Native.pensee_reply_free(reply);
            }
        }

        private static unsafe long SaveTo(IntPtr session, byte[] data, long size)
        {
            fixed (byte* bytes = data) return Native.pensee_session_save_memory(session, (IntPtr)bytes, size);
        }

        /// <summary>A short call.</summary>
        private T Use<T>(Func<IntPtr, T> call)
        {
            using (var session = _handle.Borrow())
            lock (_turn)
            {
                if (_generates) throw Busy();
                return call(session.Pointer);
            }
        }

        /// <summary>A call that lasts as long as a reply.</summary>
        private IntPtr Generate(Func<IntPtr, IntPtr> call)
        {
            using (var session = _handle.Borrow())
            {
                lock (_turn)
                {
                    if (_generates) throw Busy();
                    _generates = true;
                }
                try
                {
                    return call(session.Pointer);
                }
                finally
                {
                    lock (_turn) _generates = false;
                }
            }
        }

        private static PenseeException Busy()
        {
            return new PenseeException(Status.Busy, "the session generates a reply on another thread; wait for it, "
                                       + "cancel it, or use a session of its own");
        }

        private async Task<T> RunAsync<T>(Func<T> call, CancellationToken cancellationToken)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var task = Task.Factory.StartNew(call, CancellationToken.None, TaskCreationOptions.LongRunning,
                                             TaskScheduler.Default);
            if (cancellationToken.CanBeCanceled)
            {
                var cancelled = new TaskCompletionSource<bool>();
                using (cancellationToken.Register(() => cancelled.TrySetResult(true)))
                {
                    await Task.WhenAny(task, cancelled.Task).ConfigureAwait(false);
                }
                if (!task.IsCompleted)
                {
                    await StopAsync(task).ConfigureAwait(false);
                    cancellationToken.ThrowIfCancellationRequested();
                }
            }
            return await task.ConfigureAwait(false);
        }

        private async Task StopAsync(Task task)
        {
            while (!task.IsCompleted)
            {
                if (_handle.IsClosed) break; // nobody can cancel it any more; it ends by itself
                try
                {
                    Cancel();
                }
                catch (ObjectDisposedException)
                {
                }
                await Task.WhenAny(task, Task.Delay(CancelAgainMilliseconds)).ConfigureAwait(false);
            }
            _ = task.ContinueWith(ended => ended.Exception, TaskScheduler.Default); // looked at, whatever it was
        }
    }
}
