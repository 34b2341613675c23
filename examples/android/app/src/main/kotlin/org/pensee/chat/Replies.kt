// A reply as a flow of events. A thread of Dispatchers.IO waits for them; the one that draws never does.
package org.pensee.chat

import java.time.Duration
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.currentCoroutineContext
import kotlinx.coroutines.ensureActive
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.flow
import kotlinx.coroutines.flow.flowOn
import org.pensee.Event
import org.pensee.Message
import org.pensee.Options
import org.pensee.Prompt
import org.pensee.Session

/** How long a reply that nobody collects any more may go on: waiting for the library cannot be interrupted. */
private val PATIENCE: Duration = Duration.ofMillis(100)

/** The events of one reply, the end last. Whoever stops collecting cancels what still runs. */
fun Session.events(messages: List<Message>, options: Options): Flow<Event> =
    flow {
        generate(Prompt.of(messages), options).use { stream ->
            while (stream.hasNext()) {
                currentCoroutineContext().ensureActive()
                stream.poll(PATIENCE)?.let { emit(it) }
            }
        }
    }.flowOn(Dispatchers.IO)
