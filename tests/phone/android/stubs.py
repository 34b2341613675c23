"""The classes of Android that examples/android uses, as far as it uses them: signatures as the platform documents them,
and for assets and descriptors what they do. Not the product's: Android's own jar cannot be had everywhere."""

JAVA = {
    "android.app.Activity": """
        public class Activity extends android.content.Context {
          protected void onCreate(android.os.Bundle saved) {}
          protected void onStart() {}
          protected void onStop() {}
          public void onTrimMemory(int level) {}
          public void setContentView(android.view.View view) {}
        }""",
    "android.content.ComponentCallbacks2": """
        public interface ComponentCallbacks2 { int TRIM_MEMORY_BACKGROUND = 40; int TRIM_MEMORY_UI_HIDDEN = 20; }""",
    "android.content.ContentResolver": """
        public abstract class ContentResolver {
          public final android.os.ParcelFileDescriptor openFileDescriptor(android.net.Uri uri, String mode)
              throws java.io.FileNotFoundException {
            return android.os.ParcelFileDescriptor.open(new java.io.File(uri.toString()), 0x10000000);
          }
        }""",
    "android.content.Context": """
        public abstract class Context {
          public android.content.res.AssetManager getAssets() { return null; }
          public ContentResolver getContentResolver() { return null; }
          public Context getApplicationContext() { return this; }
        }""",
    "android.content.res.AssetManager": """
        public class AssetManager { // the platform's is final
          public AssetFileDescriptor openFd(String name) throws java.io.IOException {
            throw new java.io.FileNotFoundException(name);
          }
        }""",
    "android.content.res.AssetFileDescriptor": """
        public class AssetFileDescriptor implements java.io.Closeable {
          private final android.os.ParcelFileDescriptor file;
          private final long offset, length;
          public AssetFileDescriptor(android.os.ParcelFileDescriptor file, long offset, long length) {
            this.file = file;
            this.offset = offset;
            this.length = length;
          }
          public android.os.ParcelFileDescriptor getParcelFileDescriptor() { return file; }
          public long getStartOffset() { return offset; }
          public long getLength() { return length; }
          @Override public void close() throws java.io.IOException { file.close(); }
        }""",
    "android.graphics.Color": "public class Color { public static final int GRAY = 0xff888888; }",
    "android.graphics.Typeface": "public class Typeface { public static final int BOLD = 1; }",
    "android.net.Uri": """
        public class Uri {
          private final String text;
          private Uri(String text) { this.text = text; }
          public static Uri parse(String text) { return new Uri(text); }
          @Override public String toString() { return text; }
        }""",
    "android.os.Bundle": "public final class Bundle {}",
    "android.os.ParcelFileDescriptor": """
        public class ParcelFileDescriptor implements java.io.Closeable {
          public static final int MODE_READ_ONLY = 0x10000000;
          private final java.io.RandomAccessFile file;
          private ParcelFileDescriptor(java.io.RandomAccessFile file) { this.file = file; }
          public static ParcelFileDescriptor open(java.io.File file, int mode) throws java.io.FileNotFoundException {
            return new ParcelFileDescriptor(new java.io.RandomAccessFile(file, "r"));
          }
          public int getFd() { // java -XaddOpens java.base/java.io
            try {
              java.lang.reflect.Field number = java.io.FileDescriptor.class.getDeclaredField("fd");
              number.setAccessible(true);
              return number.getInt(file.getFD());
            } catch (ReflectiveOperationException | java.io.IOException failed) {
              throw new IllegalStateException(failed);
            }
          }
          @Override public void close() throws java.io.IOException { file.close(); }
        }""",
    "android.text.Editable": "public interface Editable extends CharSequence { void clear(); }",
    "android.text.SpannableStringBuilder": """
        public class SpannableStringBuilder implements CharSequence {
          public SpannableStringBuilder append(CharSequence text) { return this; }
          public SpannableStringBuilder append(CharSequence text, Object what, int flags) { return this; }
          @Override public int length() { return 0; }
          @Override public char charAt(int index) { return 0; }
          @Override public CharSequence subSequence(int begin, int end) { return this; }
        }""",
    "android.text.Spanned": "public interface Spanned extends CharSequence { int SPAN_EXCLUSIVE_EXCLUSIVE = 33; }",
    "android.text.style.ForegroundColorSpan": """
        public class ForegroundColorSpan { public ForegroundColorSpan(int color) {} }""",
    "android.text.style.StyleSpan": "public class StyleSpan { public StyleSpan(int style) {} }",
    "android.view.View": """
        public class View {
          public static final int FOCUS_DOWN = 130;
          public interface OnClickListener { void onClick(View view); }
          public View(android.content.Context context) {}
          public void setOnClickListener(OnClickListener listener) {}
          public boolean post(Runnable action) { return true; }
          public void setEnabled(boolean enabled) {}
          public boolean isEnabled() { return true; }
          public void setFitsSystemWindows(boolean fits) {}
          public boolean getFitsSystemWindows() { return true; }
        }""",
    "android.view.ViewGroup": """
        public abstract class ViewGroup extends View {
          public static class LayoutParams {
            public static final int MATCH_PARENT = -1, WRAP_CONTENT = -2;
            public LayoutParams(int width, int height) {}
          }
          public ViewGroup(android.content.Context context) { super(context); }
          public void addView(View child) {}
          public void addView(View child, LayoutParams params) {}
        }""",
    "android.widget.Button": """
        public class Button extends TextView { public Button(android.content.Context context) { super(context); } }""",
    "android.widget.EditText": """
        public class EditText extends TextView {
          public EditText(android.content.Context context) { super(context); }
          @Override public android.text.Editable getText() { return null; }
        }""",
    "android.widget.FrameLayout": """
        public class FrameLayout extends android.view.ViewGroup {
          public FrameLayout(android.content.Context context) { super(context); }
        }""",
    "android.widget.LinearLayout": """
        public class LinearLayout extends android.view.ViewGroup {
          public static final int VERTICAL = 1;
          public static class LayoutParams extends android.view.ViewGroup.LayoutParams {
            public LayoutParams(int width, int height) { super(width, height); }
            public LayoutParams(int width, int height, float weight) { super(width, height); }
          }
          public LinearLayout(android.content.Context context) { super(context); }
          public void setOrientation(int orientation) {}
          public int getOrientation() { return 0; }
        }""",
    "android.widget.ScrollView": """
        public class ScrollView extends FrameLayout {
          public ScrollView(android.content.Context context) { super(context); }
          public boolean fullScroll(int direction) { return true; }
        }""",
    "android.widget.TextView": """
        public class TextView extends android.view.View {
          public TextView(android.content.Context context) { super(context); }
          public CharSequence getText() { return ""; }
          public final void setText(CharSequence text) {}
        }""",
}

KOTLIN = {
    "androidx.lifecycle": """
        import java.util.concurrent.Executors
        import kotlinx.coroutines.*

        /** Plays the thread that draws. */
        val mainThread = Executors.newSingleThreadExecutor { Thread(it, "main thread").apply { isDaemon = true } }
            .asCoroutineDispatcher()

        abstract class ViewModel {
            internal val scope = CoroutineScope(SupervisorJob() + mainThread)
            protected open fun onCleared() {}
            fun clear() { scope.cancel(); onCleared() }
        }
        val ViewModel.viewModelScope: CoroutineScope get() = scope
        class ViewModelProvider { interface Factory }
        abstract class Lifecycle { enum class State { DESTROYED, INITIALIZED, CREATED, STARTED, RESUMED } }
        interface LifecycleOwner
        val LifecycleOwner.lifecycleScope: CoroutineScope get() = CoroutineScope(SupervisorJob() + mainThread)
        suspend fun LifecycleOwner.repeatOnLifecycle(state: Lifecycle.State, block: suspend CoroutineScope.() -> Unit) =
            coroutineScope(block)
        """,
    "androidx.lifecycle.viewmodel": """
        import androidx.lifecycle.*

        abstract class CreationExtras
        class InitializerViewModelFactoryBuilder
        fun viewModelFactory(builder: InitializerViewModelFactoryBuilder.() -> Unit): ViewModelProvider.Factory =
            object : ViewModelProvider.Factory { init { InitializerViewModelFactoryBuilder().builder() } }
        inline fun <reified VM : ViewModel> InitializerViewModelFactoryBuilder.initializer(
            noinline initializer: CreationExtras.() -> VM,
        ) { check(initializer === initializer) }
        """,
    "androidx.activity": """
        import androidx.lifecycle.*

        open class ComponentActivity : android.app.Activity(), LifecycleOwner
        inline fun <reified VM : ViewModel> ComponentActivity.viewModels(
            noinline factoryProducer: (() -> ViewModelProvider.Factory)? = null,
        ): Lazy<VM> = lazy { throw IllegalStateException("$factoryProducer") }
        """,
}


def write(folder):
    """Writes the files below `folder`; returns (Java files, Kotlin files)."""
    java, kotlin = [], []
    for name, body in JAVA.items():
        package, _, simple = name.rpartition(".")
        path = folder / f"{name.replace('.', '/')}.java"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"package {package};\n{body}\n", encoding="utf-8")
        java.append(path)
    for package, body in KOTLIN.items():
        path = folder / f"{package}.kt"
        path.write_text(f"package {package}\n{body}\n", encoding="utf-8")
        kotlin.append(path)
    return java, kotlin
