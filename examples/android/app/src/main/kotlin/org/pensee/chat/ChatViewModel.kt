// A conversation that outlives its screen: thought and answer grow in `state` as they come. Computes while the
// application is in front alone, and gives memory back when the system asks.
package org.pensee.chat

import android.content.ComponentCallbacks2
import androidx.lifecycle.ViewModel
import androidx.lifecycle.viewModelScope
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.Job
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.isActive
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext
import org.pensee.CacheType
import org.pensee.Event
import org.pensee.Message
import org.pensee.Model
import org.pensee.ModelOptions
import org.pensee.Options
import org.pensee.PenseeException
import org.pensee.Session
import org.pensee.ThreadPriority
import org.pensee.TrimLevel

data class Turn(val question: String, val thought: String = "", val answer: String = "")

data class ChatState(
    val turns: List<Turn> = emptyList(),
    /** 0..1 while the model is loaded; null when it is there. */
    val loading: Float? = 0f,
    val running: Boolean = false,
    /** Of the last reply; null before its end. */
    val tokensPerSecond: Double? = null,
    val failure: String? = null,
)

class ChatViewModel(
    private val source: ModelSource,
    private val options: Options = Options.DEFAULT,
) : ViewModel() {
    private val changing = MutableStateFlow(ChatState())
    val state: StateFlow<ChatState> = changing.asStateFlow()
    private var model: Model? = null
    private var session: Session? = null
    private var reply: Job? = null

    init {
        viewModelScope.launch { load() }
    }

    /** Leaving the screen for good while the model is loaded cancels the loading. */
    private suspend fun load() {
        try {
            val opened = withContext(Dispatchers.IO) { open { told(it) && isActive } }
            model = opened
            session = opened.newSession()
            changing.update { it.copy(loading = null) }
        } catch (cancelled: CancellationException) {
            throw cancelled
        } catch (failure: Exception) {
            changing.update { it.copy(loading = null, failure = failure.message) }
        }
    }

    /** Half the memory of a float32 cache, no more threads than there are fast cores, behind what draws. */
    private fun open(progress: (Float) -> Boolean): Model {
        val headersOnly = ModelOptions.builder().skipWeights(true).build()
        val limit = source.open(headersOnly).use { it.info().contextMax() }
        return source.open(
            ModelOptions.builder()
                .threads((Runtime.getRuntime().availableProcessors() - 2).coerceIn(1, 4))
                .threadPriority(ThreadPriority.LOW)
                .cacheType(CacheType.F16)
                .contextMax(minOf(limit, CONTEXT_MAX))
                .progress { fraction -> progress(fraction) }
                .build()
        )
    }

    private fun told(fraction: Float): Boolean {
        changing.update { it.copy(loading = fraction) }
        return true
    }

    fun send(question: String) {
        val session = session ?: return
        if (question.isBlank() || state.value.running) return
        val messages = state.value.turns.flatMap { listOf(Message.user(it.question), Message.assistant(it.answer)) }
        changing.update {
            it.copy(turns = it.turns + Turn(question), running = true, tokensPerSecond = null, failure = null)
        }
        reply = viewModelScope.launch {
            try {
                session.events(messages + Message.user(question), options).collect { show(it) }
            } catch (failure: PenseeException) {
                changing.update { it.copy(failure = failure.message) }
            } finally {
                changing.update { it.copy(running = false) }
            }
        }
    }

    private fun show(event: Event) {
        when (event) {
            is Event.Thought -> changeLast { it.copy(thought = it.thought + event.text()) }
            is Event.Answer -> changeLast { it.copy(answer = it.answer + event.text()) }
            is Event.ToolCall -> Unit
            is Event.End -> changing.update { it.copy(tokensPerSecond = event.usage().tokensPerSecond()) }
        }
    }

    private fun changeLast(change: (Turn) -> Turn) {
        changing.update { it.copy(turns = it.turns.dropLast(1) + change(it.turns.last())) }
    }

    /** The thought is closed, the answer follows. */
    fun answerNow() {
        session?.endThought()
    }

    fun stop() {
        reply?.cancel()
    }

    /** Out of sight nothing is computed: the system would slow it down, or end the application. */
    fun pause() {
        model?.pause()
    }

    fun resume() {
        model?.resume()
    }

    /** What Activity.onTrimMemory was told. */
    fun trim(level: Int) {
        val all = level >= ComponentCallbacks2.TRIM_MEMORY_BACKGROUND
        model?.trim(if (all) TrimLevel.SESSIONS else TrimLevel.CACHES)
    }

    override fun onCleared() {
        session?.close()
        model?.close()
    }

    private companion object {
        const val CONTEXT_MAX = 4096L
    }
}
