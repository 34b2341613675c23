// Stream: the events of one request, pulled. A plain foreach waits on the caller's thread. NextAsync and await foreach
// start one thread a stream (the pump), which waits instead and hands events over. The pump knows the source, never the
// Stream: a stream that is forgotten is cancelled and freed by its finaliser.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Pensee
{
    /// <summary>The events of one request, in their order; enumerated once. The last is an <see cref="Event.End"/>,
    /// with <see cref="Options.N"/> one for each sample; then the session is free again. Leaving a foreach early
    /// disposes the stream, which cancels what still runs. Any thread may <see cref="Cancel"/>,
    /// <see cref="EndThought"/> or <see cref="Dispose()"/>.</summary>
    public sealed partial class Stream : IEnumerable<Event>, IDisposable
    {
        private readonly StreamSource _source;
        private readonly object _starting = new object();
        private StreamPump? _pump;

        internal Stream(IntPtr pointer, ModelInfo info, int samples)
        {
            _source = new StreamSource(pointer, info, samples);
        }

        /// <summary>Stops what was forgotten.</summary>
        ~Stream()
        {
            if (_source != null) Stop();
        }

        /// <summary>The last event was handed over.</summary>
        public bool Ended => _source.Ended;

        /// <summary>The next event; null at the end, or when none came within <paramref name="timeout"/> (none: waits
        /// without end).</summary>
        public Event? Next(TimeSpan? timeout = null)
        {
            var milliseconds = timeout == null ? -1 : (long)Math.Max(0, Math.Ceiling(timeout.Value.TotalMilliseconds));
            var pump = _pump;
            var next = pump == null ? _source.Next(milliseconds) : pump.Next(milliseconds);
            GC.KeepAlive(this);
            return next;
        }

        /// <summary>The next event; null at the end. Waits on no thread of the caller. Cancelling stops the
        /// reply.</summary>
        public async Task<Event?> NextAsync(CancellationToken cancellationToken = default(CancellationToken))
        {
            cancellationToken.ThrowIfCancellationRequested();
            try
            {
                return await Pump().NextAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                _source.Cancel();
                throw;
            }
        }

        /// <summary>Stops the reply; the end follows. Any thread. Nothing to do after the end.</summary>
        public void Cancel()
        {
            _source.ThrowIfDisposed();
            _source.Cancel();
        }

        /// <summary>Closes the thought now, or as soon as one opens; the answer follows. Any thread.</summary>
        public void EndThought()
        {
            _source.ThrowIfDisposed();
            _source.EndThought();
        }

        /// <summary>Enumerates what has not been handed over yet.</summary>
        public IEnumerator<Event> GetEnumerator()
        {
            try
            {
                for (var next = Next(); next != null; next = Next()) yield return next;
            }
            finally
            {
                if (!Ended) Dispose();
            }
        }

        IEnumerator IEnumerable.GetEnumerator()
        {
            return GetEnumerator();
        }

        /// <summary>Cancels what still runs and frees it. May be called again; other methods throw
        /// ObjectDisposedException afterwards.</summary>
        public void Dispose()
        {
            Stop();
            GC.SuppressFinalize(this);
        }

        private void Stop()
        {
            _source.Close();
            _pump?.Stop();
        }

        private StreamPump Pump()
        {
            lock (_starting)
            {
                if (_pump == null)
                {
                    _source.ThrowIfDisposed();
                    _pump = new StreamPump(_source);
                }
                return _pump;
            }
        }
    }

    /// <summary>A native stream whose events are Events. With the last of its ends it is freed: before anybody hears of
    /// the end, the session is free.</summary>
    internal sealed class StreamSource
    {
        private readonly StreamHandle _handle;
        private readonly ModelInfo _info;
        private readonly object _turn = new object();
        private int _endsLeft;
        private volatile bool _ended, _closed;

        internal StreamSource(IntPtr pointer, ModelInfo info, int samples)
        {
            _handle = new StreamHandle(pointer);
            _info = info;
            _endsLeft = samples;
        }

        internal bool Ended => _ended;

        internal void ThrowIfDisposed()
        {
            if (_closed) throw new ObjectDisposedException("Pensee.Stream");
        }

        /// <summary>null: no event in time, or all were handed over.</summary>
        internal Event? Next(long timeoutMilliseconds)
        {
            lock (_turn)
            {
                ThrowIfDisposed();
                if (_ended) return null;
                try
                {
                    return Pull(timeoutMilliseconds);
                }
                catch (PenseeException)
                {
                    End();
                    throw;
                }
            }
        }

        internal void Cancel()
        {
            OnHandle(Native.pensee_stream_cancel);
        }

        internal void EndThought()
        {
            OnHandle(Native.pensee_stream_end_thought);
        }

        /// <summary>Does not wait: a call under way keeps the handle until it is back, which is soon.</summary>
        internal void Close()
        {
            Cancel();
            _closed = true;
            _handle.Dispose();
        }

        private Event? Pull(long timeoutMilliseconds)
        {
            using (var stream = _handle.Borrow())
            using (var native = new pensee_event())
            {
                var status = (Status)Native.pensee_stream_next(stream.Pointer, timeoutMilliseconds, native);
                if (status == Status.Timeout) return null;
                if (status == Status.NoMoreEvents)
                {
                    End();
                    return null;
                }
                var next = Reading.ToEvent(native, _info.NumMoeLayers, _info.NumExpertsPerTok);
                if (next is Event.End && --_endsLeft == 0) End();
                return next;
            }
        }

        private void End()
        {
            _ended = true;
            _handle.Dispose();
        }

        private void OnHandle(Action<IntPtr> call)
        {
            if (_handle.IsClosed) return;
            try
            {
                using (var stream = _handle.Borrow()) call(stream.Pointer);
            }
            catch (ObjectDisposedException) // meanwhile
            {
            }
        }
    }

    /// <summary>A thread that pulls a source ahead of whoever awaits it, at most <see cref="AheadMax"/>
    /// events.</summary>
    internal sealed class StreamPump
    {
        private const int AheadMax = 64;
        private readonly StreamSource _source;
        private readonly Queue<Event> _events = new Queue<Event>();
        private readonly SemaphoreSlim _arrived = new SemaphoreSlim(0);
        private readonly SemaphoreSlim _room = new SemaphoreSlim(AheadMax);
        private Exception? _failure;
        private volatile bool _stopped;

        internal StreamPump(StreamSource source)
        {
            _source = source;
            Completion = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning,
                                               TaskScheduler.Default);
        }

        /// <summary>Done when the native stream is not used any more.</summary>
        internal Task Completion { get; }

        internal Event? Next(long timeoutMilliseconds)
        {
            _source.ThrowIfDisposed();
            var wait = timeoutMilliseconds > int.MaxValue ? -1 : (int)timeoutMilliseconds;
            return _arrived.Wait(wait) ? Take() : null;
        }

        internal async Task<Event?> NextAsync(CancellationToken cancellationToken)
        {
            _source.ThrowIfDisposed();
            await _arrived.WaitAsync(cancellationToken).ConfigureAwait(false);
            return Take();
        }

        internal void Stop()
        {
            _stopped = true;
            _room.Release();
        }

        private Event? Take()
        {
            lock (_events)
            {
                if (_events.Count > 0)
                {
                    _room.Release();
                    return _events.Dequeue();
                }
            }
            _arrived.Release(); // the end stays the end, for all who ask
            var failure = Interlocked.Exchange(ref _failure, null);
            if (failure != null) throw failure;
            return null;
        }

        private void Run()
        {
            try
            {
                for (;;)
                {
                    _room.Wait();
                    if (_stopped) break;
                    var next = _source.Next(-1);
                    if (next == null) break;
                    lock (_events) _events.Enqueue(next);
                    _arrived.Release();
                }
            }
            catch (Exception failure) // travels to whoever awaits
            {
                _failure = failure;
            }
            _arrived.Release();
        }
    }
}
