package org.pensee;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;

/**
 * Loads the native half, once: from the file or folder that the system property {@code pensee.library} names, else (on
 * Android) from the application's own libraries, else out of this jar, else from java.library.path. A library inside a
 * jar cannot be loaded as it lies: it is copied to a temporary file, which goes away as soon as it is loaded where the
 * system allows that, else when the VM exits.
 */
final class NativeLibrary {
    private static final String NAME = "pensee_java";

    static {
        loadOnce();
    }

    private NativeLibrary() {
    }

    /** Does its work the first time. */
    static void load() {
    }

    /** "linux-x64", as bindings/java/CMakeLists.txt names the folders. */
    static String platform() {
        final String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
        final String machine = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
        final String name = system.startsWith("mac") ? "macos" : system.startsWith("windows") ? "windows" : system;
        return name + "-" + (machine.matches("x86_64|amd64") ? "x64" : machine.equals("arm64") ? "aarch64" : machine);
    }

    private static void loadOnce() {
        final String file = System.mapLibraryName(NAME);
        final String told = System.getProperty("pensee.library");
        if (told != null) {
            final File place = new File(told);
            System.load((place.isDirectory() ? new File(place, file) : place).getAbsolutePath());
        } else if ("Dalvik".equals(System.getProperty("java.vm.name"))) {
            System.loadLibrary(NAME);
        } else if (!loadFromJar(file)) {
            try {
                System.loadLibrary(NAME);
            } catch (UnsatisfiedLinkError none) {
                throw new UnsatisfiedLinkError("pensee: this jar has no library for " + platform() + ", and "
                    + none.getMessage() + "; name one by -Dpensee.library=FILE_OR_FOLDER");
            }
        }
    }

    private static boolean loadFromJar(String file) {
        try (InputStream in = NativeLibrary.class.getResourceAsStream("natives/" + platform() + "/" + file)) {
            if (in == null) return false;
            final Path copy = Files.createTempFile("pensee", file);
            try {
                Files.copy(in, copy, StandardCopyOption.REPLACE_EXISTING);
                System.load(copy.toString());
            } finally {
                if (!copy.toFile().delete()) copy.toFile().deleteOnExit();
            }
            return true;
        } catch (IOException failed) {
            throw new UnsatisfiedLinkError("pensee: " + file + " cannot be copied out of the jar: " + failed);
        }
    }
}
