// A progress callback as the library calls it: on the thread that waits in the call. An exception may not pass through
// the library's frames, so it is kept, cancels the call, and is thrown again when the call has come back.
using System;
using System.Runtime.ExceptionServices;

namespace Pensee
{
    internal sealed class Progress : pensee_progress
    {
        private readonly Func<float, bool> _callback;
        private ExceptionDispatchInfo? _thrown;

        internal Progress(Func<float, bool> callback)
        {
            _callback = callback;
        }

        public override int at(float fraction)
        {
            if (_thrown != null) return 1;
            try
            {
                return _callback(fraction) ? 0 : 1;
            }
            catch (Exception error)
            {
                _thrown = ExceptionDispatchInfo.Capture(error);
                return 1;
            }
        }

        /// <summary>The result of `call`, which may call back; null: nobody is told.</summary>
        internal static T Run<T>(Func<float, bool>? callback, Func<Progress?, T> call)
        {
            if (callback == null) return call(null);
            using (var progress = new Progress(callback))
            {
                try
                {
                    return call(progress);
                }
                catch (PenseeException)
                {
                    progress._thrown?.Throw();
                    throw;
                }
            }
        }
    }
}
