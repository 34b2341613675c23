// The screen: the conversation, thoughts in grey, and a line to ask. Plain views, so that nothing hides what the view
// model does.
package org.pensee.chat

import android.graphics.Color
import android.graphics.Typeface
import android.os.Bundle
import android.text.SpannableStringBuilder
import android.text.Spanned
import android.text.style.ForegroundColorSpan
import android.text.style.StyleSpan
import android.view.View
import android.widget.Button
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.TextView
import androidx.activity.ComponentActivity
import androidx.activity.viewModels
import androidx.lifecycle.Lifecycle
import androidx.lifecycle.lifecycleScope
import androidx.lifecycle.repeatOnLifecycle
import androidx.lifecycle.viewmodel.initializer
import androidx.lifecycle.viewmodel.viewModelFactory
import kotlinx.coroutines.launch

class MainActivity : ComponentActivity() {
    private val chat: ChatViewModel by viewModels {
        viewModelFactory { initializer { ChatViewModel(AssetModel(applicationContext, "model.gguf")) } }
    }
    private lateinit var page: TextView
    private lateinit var scroll: ScrollView
    private lateinit var status: TextView
    private lateinit var question: EditText
    private lateinit var send: Button
    private lateinit var answerNow: Button

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContentView(layOut())
        send.setOnClickListener {
            if (chat.state.value.running) {
                chat.stop()
            } else {
                chat.send(question.text.toString())
                question.text.clear()
            }
        }
        answerNow.setOnClickListener { chat.answerNow() }
        lifecycleScope.launch {
            repeatOnLifecycle(Lifecycle.State.STARTED) { chat.state.collect { draw(it) } }
        }
    }

    override fun onStart() {
        super.onStart()
        chat.resume()
    }

    override fun onStop() {
        chat.pause()
        super.onStop()
    }

    override fun onTrimMemory(level: Int) {
        super.onTrimMemory(level)
        chat.trim(level)
    }

    private fun layOut(): View {
        page = TextView(this)
        status = TextView(this)
        question = EditText(this)
        send = Button(this)
        answerNow = Button(this)
        answerNow.text = "Answer now"
        scroll = ScrollView(this)
        scroll.addView(page)
        val all = LinearLayout(this)
        all.orientation = LinearLayout.VERTICAL
        all.fitsSystemWindows = true
        val width = LinearLayout.LayoutParams.MATCH_PARENT
        all.addView(scroll, LinearLayout.LayoutParams(width, 0, 1f))
        for (view in listOf(status, question, send, answerNow)) {
            all.addView(view, LinearLayout.LayoutParams(width, LinearLayout.LayoutParams.WRAP_CONTENT))
        }
        return all
    }

    private fun draw(state: ChatState) {
        val text = SpannableStringBuilder()
        for (turn in state.turns) {
            text.append(turn.question + "\n", StyleSpan(Typeface.BOLD), Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
            text.append(turn.thought, ForegroundColorSpan(Color.GRAY), Spanned.SPAN_EXCLUSIVE_EXCLUSIVE)
            text.append("\n" + turn.answer + "\n\n")
        }
        page.text = text
        scroll.post { scroll.fullScroll(View.FOCUS_DOWN) }
        status.text = when {
            state.failure != null -> state.failure
            state.loading != null -> "Loading: %.0f %%".format(100 * state.loading)
            state.tokensPerSecond != null -> "%.1f tokens/s".format(state.tokensPerSecond)
            else -> ""
        }
        send.text = if (state.running) "Stop" else "Send"
        send.isEnabled = state.loading == null
        answerNow.isEnabled = state.running
    }
}
