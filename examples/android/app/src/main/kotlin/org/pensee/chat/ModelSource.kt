// Where a model comes from: inside the APK, or a file that the user picked. Both are a descriptor, an offset and a
// length; nothing is copied.
package org.pensee.chat

import android.content.Context
import android.net.Uri
import java.io.FileNotFoundException
import org.pensee.Model
import org.pensee.ModelOptions

fun interface ModelSource {
    /** Reads the whole file: call it on a thread that may wait. */
    fun open(options: ModelOptions): Model
}

/** A file in app/src/main/assets. It must not be compressed (androidResources.noCompress in build.gradle.kts). */
class AssetModel(private val context: Context, private val name: String) : ModelSource {
    override fun open(options: ModelOptions): Model =
        context.assets.openFd(name).use { asset ->
            Model.fromFileDescriptor(asset.parcelFileDescriptor.fd, asset.startOffset, asset.length, options)
        }
}

/** What Intent.ACTION_OPEN_DOCUMENT gave: models are larger than an APK may be. */
class DocumentModel(private val context: Context, private val document: Uri) : ModelSource {
    override fun open(options: ModelOptions): Model {
        val file = context.contentResolver.openFileDescriptor(document, "r") ?: throw FileNotFoundException("$document")
        return file.use { Model.fromFileDescriptor(it.fd, 0, 0, options) }
    }
}
