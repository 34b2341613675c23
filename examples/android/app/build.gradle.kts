// The Java half of the binding comes from Maven's local repository, the native half is built here by the NDK: the core
// and JNI in one libpensee_java.so a CPU. SWIG writes the JNI part, so it must be installed.
plugins {
    id("com.android.application")
    id("org.jetbrains.kotlin.android")
}

android {
    namespace = "org.pensee.chat"
    compileSdk = 35
    ndkVersion = "27.2.12479018"

    defaultConfig {
        applicationId = "org.pensee.chat"
        minSdk = 28
        targetSdk = 35
        versionCode = 1
        versionName = "0.2.0"
        ndk { abiFilters += listOf("arm64-v8a", "x86_64") } // phones; the emulator
        externalNativeBuild {
            cmake {
                targets += "pensee_java"
                arguments += listOf(
                    "-DANDROID_STL=c++_static", "-DANDROID_SUPPORT_FLEXIBLE_PAGE_SIZES=ON", "-DPENSEE_JAVA=ON",
                    "-DPENSEE_ONEDNN=OFF", "-DPENSEE_BLAS=OFF", "-DPENSEE_TESTS=OFF", "-DPENSEE_CLI=OFF",
                    "-DCMAKE_BUILD_TYPE=Release", // of a debug build too: unoptimised kernels are of no use
                )
            }
        }
    }

    externalNativeBuild {
        cmake {
            path = file("../../../CMakeLists.txt")
            version = "3.31.1"
        }
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "proguard-rules.pro")
            signingConfig = signingConfigs.getByName("debug")
        }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }
    kotlinOptions { jvmTarget = "17" }

    androidResources { noCompress += "gguf" } // so that the asset has a descriptor, an offset and a length
    packaging { resources.excludes += "org/pensee/natives/**" } // the jar's libraries for other systems
}

dependencies {
    implementation("org.pensee:pensee:0.2.0")
    implementation("androidx.activity:activity-ktx:1.9.3")
    implementation("androidx.lifecycle:lifecycle-viewmodel-ktx:2.8.7")
    implementation("androidx.lifecycle:lifecycle-runtime-ktx:2.8.7")
    implementation("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.9.0")
}
