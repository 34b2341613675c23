// What is about no model.
namespace Pensee
{
    /// <summary>The native library itself.</summary>
    public static class Library
    {
        /// <summary>Version of the native library that is loaded, "0.2.0".</summary>
        public static string Version => Native.pensee_version_text() ?? "";

        /// <summary>The meaning of a status and a remedy, in one sentence.</summary>
        public static string Describe(Status status)
        {
            return Native.pensee_status_text((int)status) ?? "";
        }
    }
}
