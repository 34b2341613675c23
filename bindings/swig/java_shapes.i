// The shapes of pensee.i in Java: how handles, arrays, strings, counts and errors look there. Arrays and strings are
// copied into the VM's hands and back (no critical sections: calls are long). Errors become org.pensee.PenseeException
// by its static method of(int, byte[]); strings go through org.pensee.Texts.

%pragma(java) moduleclassmodifiers="final class"
%pragma(java) jniclassclassmodifiers="final class"
%pragma(java) jniclasscode=%{
  static {
    NativeLibrary.load();
  }
%}
%typemap(javaclassmodifiers) SWIGTYPE "class"
%typemap(javafinalize) SWIGTYPE ""

%{
namespace {
void throw_error(JNIEnv *jenv, pensee_status status, const char *message) {
  if (jenv->ExceptionCheck()) return;
  if (!message || !*message) message = pensee_status_text(status);
  const jsize length = static_cast<jsize>(std::strlen(message));
  jbyteArray bytes = jenv->NewByteArray(length);
  if (!bytes) return;
  jenv->SetByteArrayRegion(bytes, 0, length, reinterpret_cast<const jbyte *>(message));
  jclass type = jenv->FindClass("org/pensee/PenseeException");
  if (!type) return;
  jmethodID of = jenv->GetStaticMethodID(type, "of", "(I[B)Lorg/pensee/PenseeException;");
  if (!of) return;
  jobject error = jenv->CallStaticObjectMethod(type, of, static_cast<jint>(status), bytes);
  if (!jenv->ExceptionCheck() && error) jenv->Throw(static_cast<jthrowable>(error));
}
#define PENSEE_THROW(status, message) throw_error(jenv, status, message)
}  // namespace
%}

%define ARRAY(CTYPE, JAVATYPE, KIND, MODE)
%typemap(jni) CTYPE "j" #JAVATYPE "Array"
%typemap(jtype) CTYPE #JAVATYPE "[]"
%typemap(jstype) CTYPE #JAVATYPE "[]"
%typemap(javain) CTYPE "$javainput"
%typemap(in) CTYPE %{
  $1 = NULL;
  if ($input) {
    $1 = reinterpret_cast<$1_ltype>(jenv->Get##KIND##ArrayElements($input, NULL));
    if (!$1) return $null;
  }
%}
%typemap(freearg) CTYPE %{
  if ($1) jenv->Release##KIND##ArrayElements($input, reinterpret_cast<j##JAVATYPE *>($1), MODE);
%}
%typemap(argout) CTYPE ""
%enddef

ARRAY(const int32_t *, int, Int, JNI_ABORT)
ARRAY(int32_t *, int, Int, 0)
ARRAY(const int64_t *, long, Long, JNI_ABORT)
ARRAY(const float *, float, Float, JNI_ABORT)
ARRAY(float *, float, Float, 0)
ARRAY(const char *text, byte, Byte, JNI_ABORT)
ARRAY(char *text, byte, Byte, 0)

%define HANDLE(T)
%typemap(jni) const T *, T * "jlong"
%typemap(jtype) const T *, T * "long"
%typemap(jstype) const T *, T * "long"
%typemap(javain) const T *, T * "$javainput"
%typemap(javaout) const T *, T * { return $jnicall; }
%typemap(in) const T *, T * %{ $1 = reinterpret_cast<$1_ltype>(static_cast<intptr_t>($input)); %}
%typemap(out) const T *, T * %{ $result = static_cast<jlong>(reinterpret_cast<intptr_t>($1)); %}
%typemap(in, numinputs=0) T ** (T *made) %{ made = NULL; $1 = &made; %}
%typemap(argout) T ** %{ $result = static_cast<jlong>(reinterpret_cast<intptr_t>(*$1)); %}
%enddef

%typemap(jni) pensee_status "void"
%typemap(jtype) pensee_status "void"
%typemap(jstype) pensee_status "void"
%typemap(javaout) pensee_status { $jnicall; }
%define RETURNS(FUNCTION, JNITYPE, JAVATYPE)
%typemap(jni) pensee_status FUNCTION #JNITYPE
%typemap(jtype) pensee_status FUNCTION #JAVATYPE
%typemap(jstype) pensee_status FUNCTION #JAVATYPE
%typemap(javaout) pensee_status FUNCTION { return $jnicall; }
%enddef
%define RETURNS_HANDLE(FUNCTION) RETURNS(FUNCTION, jlong, long) %enddef
%define RETURNS_COUNT(FUNCTION) RETURNS(FUNCTION, jlong, long) %enddef
%define RETURNS_STATUS(FUNCTION)
RETURNS(FUNCTION, jint, int)
%typemap(out) pensee_status FUNCTION "$result = $1;"
%enddef

%typemap(jni) const char * "jbyteArray"
%typemap(jtype) const char * "byte[]"
%typemap(jstype) const char * "String"
%typemap(javain) const char * "Texts.zeroTerminated($javainput)"
%typemap(javaout) const char * { return Texts.string($jnicall); }
%typemap(in) const char * %{
  $1 = NULL;
  if ($input) {
    $1 = reinterpret_cast<$1_ltype>(jenv->GetByteArrayElements($input, NULL));
    if (!$1) return $null;
  }
%}
%typemap(freearg) const char * %{
  if ($1) jenv->ReleaseByteArrayElements($input, (jbyte *)$1, JNI_ABORT);
%}
%typemap(out) const char * %{
  if ($1) {
    const jsize length = static_cast<jsize>(std::strlen($1));
    $result = jenv->NewByteArray(length);
    if ($result) jenv->SetByteArrayRegion($result, 0, length, reinterpret_cast<const jbyte *>($1));
  }
%}

%typemap(jni) const void *, void * "jobject"
%typemap(jtype) const void *, void * "java.nio.ByteBuffer"
%typemap(jstype) const void *, void * "java.nio.ByteBuffer"
%typemap(javain) const void *, void * "$javainput"
%typemap(in) const void *, void * %{ $1 = $input ? jenv->GetDirectBufferAddress($input) : NULL; %}

%apply long long { uint64_t, size_t };
%apply int { uint32_t flags };
%rename("$ignore", %$isenumitem) ""; // SWIG would make a public interface of them: the enums on top hold the numbers
%ignore PENSEE_VERSION;
%ignore PENSEE_VERSION_TEXT;

// A progress callback that throws (the layer above catches all) counts as one that cancels.
%feature("director:except") %{
  if (jenv->ExceptionCheck()) {
    jenv->ExceptionClear();
    return 1;
  }
%}
