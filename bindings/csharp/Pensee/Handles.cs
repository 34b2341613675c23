// Handles of the library as SafeHandles. A call borrows the handle: it cannot be freed while it is used, whoever
// disposes it meanwhile on whatever thread, and a handle that is disposed cannot be borrowed. The library lets handles
// be freed in any order, so finalisers need none.
using System;
using System.Runtime.InteropServices;

namespace Pensee
{
    internal abstract class NativeHandle : SafeHandle
    {
        private readonly string _owner;

        protected NativeHandle(IntPtr pointer, string owner) : base(IntPtr.Zero, true)
        {
            SetHandle(pointer);
            _owner = owner;
        }

        public override bool IsInvalid => handle == IntPtr.Zero;

        /// <summary>Throws ObjectDisposedException. Dispose gives it back.</summary>
        internal Borrowed Borrow()
        {
            if (IsClosed) throw new ObjectDisposedException("Pensee." + _owner);
            return new Borrowed(this);
        }

        internal struct Borrowed : IDisposable
        {
            private readonly NativeHandle _handle;
            private bool _added;

            internal Borrowed(NativeHandle handle)
            {
                _handle = handle;
                _added = false;
                handle.DangerousAddRef(ref _added);
            }

            internal IntPtr Pointer => _handle.handle;

            public void Dispose()
            {
                if (_added) _handle.DangerousRelease();
                _added = false;
            }
        }
    }

    internal sealed class ModelHandle : NativeHandle
    {
        internal ModelHandle(IntPtr pointer) : base(pointer, nameof(Model))
        {
        }

        protected override bool ReleaseHandle()
        {
            Native.pensee_model_free(handle);
            return true;
        }
    }

    internal sealed class SessionHandle : NativeHandle
    {
        internal SessionHandle(IntPtr pointer) : base(pointer, nameof(Session))
        {
        }

        protected override bool ReleaseHandle()
        {
            Native.pensee_session_free(handle);
            return true;
        }
    }

    internal sealed class StreamHandle : NativeHandle
    {
        internal StreamHandle(IntPtr pointer) : base(pointer, nameof(Stream))
        {
        }

        protected override bool ReleaseHandle()
        {
            Native.pensee_stream_free(handle);
            return true;
        }
    }
}
