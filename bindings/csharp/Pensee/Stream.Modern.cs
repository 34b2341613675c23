// What of Stream needs C# 8: await foreach and await using. Compiled by the .NET SDK alone.
using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Pensee
{
    public sealed partial class Stream : IAsyncEnumerable<Event>, IAsyncDisposable
    {
        /// <summary>Enumerates what has not been handed over yet; no thread of the caller waits. Cancelling the token
        /// stops the reply and throws OperationCanceledException.</summary>
        public async IAsyncEnumerator<Event> GetAsyncEnumerator(CancellationToken cancellationToken = default)
        {
            try
            {
                while (await NextAsync(cancellationToken).ConfigureAwait(false) is { } next) yield return next;
            }
            finally
            {
                if (!Ended) await DisposeAsync().ConfigureAwait(false);
            }
        }

        /// <summary><see cref="Dispose()"/>; done when the session is free again.</summary>
        public async ValueTask DisposeAsync()
        {
            Dispose();
            if (_pump != null) await _pump.Completion.ConfigureAwait(false);
        }
    }
}
