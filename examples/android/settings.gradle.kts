pluginManagement {
    repositories {
        google()
        mavenCentral()
        gradlePluginPortal()
    }
}
dependencyResolutionManagement {
    repositories {
        google()
        mavenCentral()
        mavenLocal { content { includeGroup("org.pensee") } } // what `mvn -f bindings/java install` puts there
    }
}
rootProject.name = "pensee-chat"
include(":app")
