// The shapes of pensee.i in C#: how handles, arrays, strings, counts and errors look there. Arrays are pinned for the
// call. An error becomes SWIG's pending exception, new PenseeException(int, string), which the caller's thread throws
// when it is back; strings go through Texts.ZeroTerminated(string) and Texts.String(IntPtr). A class derived from
// pensee_progress must not let an exception out of at().

%pragma(csharp) moduleclassmodifiers="internal static class"
%pragma(csharp) imclassclassmodifiers="internal class"
%typemap(csclassmodifiers) SWIGTYPE "internal class"
%pragma(csharp) imclasscode=%{
  private class ErrorHelper {
    internal delegate void ErrorCallback(int status, global::System.IntPtr message);
    private static readonly ErrorCallback callback = Set; // never collected: native code keeps it

    [global::System.Runtime.InteropServices.DllImport("$dllimport", EntryPoint="PenseeRegisterErrorCallback")]
    private static extern void Register(ErrorCallback callback);

    private static void Set(int status, global::System.IntPtr message) {
      SWIGPendingException.Set(new PenseeException(status, Texts.String(message)));
    }

    static ErrorHelper() {
      Register(callback);
    }

  }

#pragma warning disable 0414 // made for what its constructor does
  private static readonly ErrorHelper errorHelper = new ErrorHelper();
#pragma warning restore 0414
%}

%{
namespace {
typedef void(SWIGSTDCALL *ErrorCallback)(int status, const char *message);
ErrorCallback error_callback = NULL;

void throw_error(pensee_status status, const char *message) {
  if (!message || !*message) message = pensee_status_text(status);
  if (error_callback) error_callback(status, message);
}
#define PENSEE_THROW(status, message) throw_error(status, message)
}  // namespace

#ifdef __cplusplus
extern "C"
#endif
SWIGEXPORT void SWIGSTDCALL PenseeRegisterErrorCallback(ErrorCallback callback) { error_callback = callback; }
%}

%define ARRAY(CTYPE, CSTYPE)
%typemap(ctype) CTYPE "void *"
%typemap(imtype,
         inattributes="[global::System.Runtime.InteropServices.In][global::System.Runtime.InteropServices.Out]")
  CTYPE #CSTYPE "[]"
%typemap(cstype) CTYPE #CSTYPE "[]"
%typemap(csin) CTYPE "$csinput"
%typemap(in) CTYPE "$1 = static_cast<$1_ltype>($input);"
%typemap(freearg) CTYPE ""
%typemap(argout) CTYPE ""
%enddef
ARRAY(const int32_t *, int)
ARRAY(int32_t *, int)
ARRAY(const int64_t *, long)
ARRAY(const float *, float)
ARRAY(float *, float)
ARRAY(const char *text, byte)
ARRAY(char *text, byte)

%define POINTER(TYPE)
%typemap(ctype) TYPE "void *"
%typemap(imtype) TYPE "global::System.IntPtr"
%typemap(cstype) TYPE "global::System.IntPtr"
%typemap(csin) TYPE "$csinput"
%typemap(csout, excode=SWIGEXCODE) TYPE {
    global::System.IntPtr ret = $imcall;$excode
    return ret;
  }
%typemap(csvarout, excode=SWIGEXCODE2) TYPE %{
    get {
      global::System.IntPtr ret = $imcall;$excode
      return ret;
    } %}
%typemap(in) TYPE "$1 = static_cast<$1_ltype>($input);"
%typemap(out) TYPE "$result = (void *)$1;"
%enddef
%define HANDLE(T)
POINTER(const T *)
POINTER(T *)
%typemap(in, numinputs=0) T ** (T *made) %{ made = NULL; $1 = &made; %}
%typemap(argout) T ** "$result = *$1;"
%enddef
POINTER(const void *)
POINTER(void *)

%typemap(ctype) pensee_status "void"
%typemap(imtype) pensee_status "void"
%typemap(cstype) pensee_status "void"
%typemap(csout, excode=SWIGEXCODE) pensee_status {
    $imcall;$excode
  }
%define RETURNS(FUNCTION, CTYPE, CSTYPE)
%typemap(ctype) pensee_status FUNCTION #CTYPE
%typemap(imtype) pensee_status FUNCTION #CSTYPE
%typemap(cstype) pensee_status FUNCTION #CSTYPE
%typemap(csout, excode=SWIGEXCODE) pensee_status FUNCTION {
    CSTYPE ret = $imcall;$excode
    return ret;
  }
%enddef
%define RETURNS_HANDLE(FUNCTION) RETURNS(FUNCTION, void *, global::System.IntPtr) %enddef
%define RETURNS_COUNT(FUNCTION) RETURNS(FUNCTION, long long, long) %enddef
%define RETURNS_STATUS(FUNCTION)
RETURNS(FUNCTION, int, int)
%typemap(out) pensee_status FUNCTION "$result = $1;"
%enddef

%typemap(ctype) const char * "void *"
%typemap(imtype, out="global::System.IntPtr") const char * "byte[]"
%typemap(cstype) const char * "string"
%typemap(csin) const char * "Texts.ZeroTerminated($csinput)"
%typemap(csout, excode=SWIGEXCODE) const char * {
    global::System.IntPtr ret = $imcall;$excode
    return Texts.String(ret);
  }
%typemap(csvarout, excode=SWIGEXCODE2) const char * %{
    get {
      global::System.IntPtr ret = $imcall;$excode
      return Texts.String(ret);
    } %}
%typemap(in) const char * "$1 = static_cast<$1_ltype>($input);"
%typemap(freearg) const char * ""
%typemap(out) const char * "$result = const_cast<char *>($1);"

%apply long long { size_t };
%csconst(1);
