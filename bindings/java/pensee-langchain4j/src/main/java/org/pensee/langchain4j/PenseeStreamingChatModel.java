package org.pensee.langchain4j;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import java.util.List;
import org.pensee.Model;
import org.pensee.Options;
import org.pensee.PenseeException;
import org.pensee.Stream;

/**
 * {@link PenseeChatModel}, streamed: the thought through {@code onPartialThinking}, the answer through
 * {@code onPartialResponse}, both with a handle that cancels the work itself; calls of tools through
 * {@code onCompleteToolCall} alone, since a model writes a call's name and arguments in a form of its own. A request
 * returns at once; the handler is called on a thread of the request's own. Nothing follows after a cancellation. What a
 * handler throws goes to its {@code onError}, and the stream goes on.
 */
public final class PenseeStreamingChatModel extends OverModel implements StreamingChatModel {
    /**
     * As the model recommends.
     *
     * @param model not closed by this
     */
    public PenseeStreamingChatModel(Model model) {
        this(model, Options.DEFAULT);
    }

    /**
     * With options of pensee's, such as a think budget.
     *
     * @param model   not closed by this
     * @param options for all that a request says nothing about
     */
    public PenseeStreamingChatModel(Model model, Options options) {
        this(model, options, List.of());
    }

    /**
     * With listeners.
     *
     * @param model     not closed by this
     * @param options   for all that a request says nothing about
     * @param listeners of LangChain4j's
     */
    public PenseeStreamingChatModel(Model model, Options options, List<ChatModelListener> listeners) {
        super(model, options, listeners);
    }

    @Override
    public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
        final Stream stream;
        try {
            stream = model.generate(Requests.prompt(request), Requests.options(request, options));
        } catch (PenseeException failure) {
            handler.onError(Responses.exception(failure));
            return;
        }
        final Thread thread = new Thread(new Delivery(model, stream, handler), "pensee-langchain4j");
        thread.setDaemon(true);
        thread.start();
    }
}
