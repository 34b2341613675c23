// The view model of examples/android, run on a desktop's VM: the real binding, core and coroutines; Android's classes
// are those of stubs.py.
import android.content.Context
import android.content.res.AssetFileDescriptor
import android.content.res.AssetManager
import android.os.ParcelFileDescriptor
import androidx.lifecycle.mainThread
import java.io.File
import java.io.FileNotFoundException
import kotlin.system.exitProcess
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.withTimeout
import org.pensee.ModelOptions
import org.pensee.Options
import org.pensee.chat.AssetModel
import org.pensee.chat.ChatState
import org.pensee.chat.ChatViewModel
import org.pensee.chat.ModelSource

const val OFFSET = 4097
var failures = 0
var passed = 0

fun check(holds: Boolean, sentence: String, details: Any? = null) {
    if (holds) passed++ else failures++
    println("${if (holds) "ok" else "not ok"} - $sentence")
    if (!holds) println("# $details")
}

/** An APK: the model somewhere inside a larger file. */
class Packaged(model: ByteArray) : Context() {
    private val apk: File = File.createTempFile("pensee", ".apk").apply {
        deleteOnExit()
        writeBytes(ByteArray(OFFSET) + model + ByteArray(77))
    }
    private val manager = object : AssetManager() {
        override fun openFd(name: String): AssetFileDescriptor {
            if (name != "model.gguf") throw FileNotFoundException(name)
            val file = ParcelFileDescriptor.open(apk, ParcelFileDescriptor.MODE_READ_ONLY)
            return AssetFileDescriptor(file, OFFSET.toLong(), apk.length() - OFFSET - 77)
        }
    }

    override fun getAssets(): AssetManager = manager
}

/** What the screen does, it does on the thread that draws. */
fun <T> onMain(action: suspend () -> T): T = runBlocking(mainThread) { withTimeout(60_000) { action() } }

suspend fun ChatViewModel.until(condition: (ChatState) -> Boolean): ChatState = state.first(condition)

fun streams(source: ModelSource, question: String, options: Options, thought: String, answer: String) {
    val chat = onMain { ChatViewModel(source, options) }
    onMain { chat.until { it.loading == null } }
    val (begun, state) = onMain {
        chat.send(question)
        Pair(chat.state.value, chat.until { !it.running })
    }
    check(begun.running && begun.turns.size == 1, "a question is shown at once", begun)
    check(state.failure == null && state.tokensPerSecond != null, "the reply came to its end", state)
    check(state.turns[0].thought == thought, "the thought is the expected one", state.turns[0])
    check(state.turns[0].answer == answer, "the answer is the expected one", state.turns[0])
    onMain { chat.trim(40) }
    val again = onMain {
        chat.send("Why?")
        chat.until { !it.running }
    }
    check(again.failure == null && again.turns.size == 2, "after memory was given back the talk goes on", again)
    onMain { chat.clear() }
}

fun pausesAndStops(source: ModelSource) {
    val endless = Options.builder().temperature(0f).ignoreEos(true).build()
    val chat = onMain { ChatViewModel(source, endless) }
    onMain {
        chat.until { it.loading == null }
        chat.pause()
        chat.send("Is 221 prime?")
    }
    onMain { delay(400) }
    check(chat.state.value.turns[0].thought.isEmpty(), "out of sight nothing is computed", chat.state.value)
    onMain { chat.resume() }
    onMain { chat.until { it.turns[0].thought.length > 20 } }
    check(true, "in sight again it goes on")
    onMain { chat.answerNow() }
    onMain { chat.until { it.turns[0].answer.length > 5 } }
    check(true, "'answer now' brings an answer")
    val stopped = onMain {
        chat.stop()
        chat.until { !it.running }
    }
    check(stopped.failure == null, "stopping is no failure", stopped)
    val length = chat.state.value.turns[0].answer.length
    onMain { delay(300) }
    check(chat.state.value.turns[0].answer.length == length, "a stopped reply grows no more", chat.state.value)
    val second = onMain {
        chat.send("And 223?")
        chat.until { !it.running || it.turns[1].thought.isNotEmpty() }
    }
    check(second.running, "the next question is taken", second)
    onMain { chat.clear() } // in the middle of a reply
    onMain { delay(100) }
}

fun failuresAreTold(context: Context) {
    val chat = onMain { ChatViewModel(AssetModel(context, "no.gguf")) }
    val state = onMain { chat.until { it.failure != null } }
    check(state.failure!!.contains("no.gguf"), "a missing asset is told", state)
    val broken = onMain { ChatViewModel(AssetModel(Packaged("GGUF and no more".toByteArray()), "model.gguf")) }
    val told = onMain { broken.until { it.failure != null } }.failure!!
    check(told.contains("GGUF") || told.contains("header"), "a broken file is told", told)
    var calls = 0
    val cut = ModelSource { options ->
        val how = ModelOptions.builder().skipWeights(options.skipWeights())
        if (!options.skipWeights()) how.progress { ++calls < 3 }
        AssetModel(context, "model.gguf").open(how.build())
    }
    val cancelled = onMain { ChatViewModel(cut) }
    val why = onMain { cancelled.until { it.failure != null } }.failure
    check(calls == 3, "a load that is cancelled at its third step ends there: $why", calls)
}

fun main(arguments: Array<String>) {
    val (model, question, maxTokens, budget) = arguments
    val context = Packaged(File(model).readBytes())
    val phone = AssetModel(context, "model.gguf")
    // What the expected tokens were made with: a cache in float32.
    val exact = ModelSource { given ->
        phone.open(ModelOptions.builder().skipWeights(given.skipWeights()).progress(given.progress()).build())
    }
    val options = Options.builder().temperature(0f).maxTokens(maxTokens.toLong()).thinkBudget(budget.toLong()).build()
    streams(exact, question, options, File(arguments[4]).readText(), File(arguments[5]).readText())
    pausesAndStops(phone)
    failuresAreTold(context)
    println("$passed passed, $failures failed")
    exitProcess(if (failures == 0) 0 else 1)
}
