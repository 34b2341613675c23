// The one exception of the binding. Misuse that C# knows a type for is of that type (ObjectDisposedException,
// ArgumentNullException, OperationCanceledException); all that the library says is a PenseeException.
using System;

namespace Pensee
{
    /// <summary>A call of the library failed. <see cref="Exception.Message"/> says what, where (file, tensor, byte) and
    /// what to try; <see cref="Status"/> is the kind, to decide on.</summary>
    public sealed class PenseeException : Exception
    {
        /// <summary>Makes one.</summary>
        public PenseeException(Status status, string message) : base(message)
        {
            Status = status;
        }

        /// <summary>For the generated code.</summary>
        internal PenseeException(int status, string? message) : this((Status)status, message ?? "")
        {
        }

        /// <summary>The kind of failure.</summary>
        public Status Status { get; }

        internal static PenseeException BadArgument(string name, string what)
        {
            return new PenseeException(Status.BadArgument, name + ": " + what);
        }
    }
}
