package org.pensee.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import java.util.List;
import org.pensee.Model;
import org.pensee.Options;
import org.pensee.PenseeException;
import org.pensee.Reply;

/**
 * A chat model over a {@link Model}; any number of requests at once. The thought arrives as {@code AiMessage.thinking},
 * what it cost as {@link PenseeTokenUsage}. It keeps no conversation: every request has a session of its own, and what
 * the model computed for an earlier prompt that begins alike is used again. The model stays yours: close it yourself.
 */
public final class PenseeChatModel extends OverModel implements ChatModel {
    /**
     * As the model recommends.
     *
     * @param model not closed by this
     */
    public PenseeChatModel(Model model) {
        this(model, Options.DEFAULT);
    }

    /**
     * With options of pensee's, such as a think budget.
     *
     * @param model   not closed by this
     * @param options for all that a request says nothing about
     */
    public PenseeChatModel(Model model, Options options) {
        this(model, options, List.of());
    }

    /**
     * With listeners.
     *
     * @param model     not closed by this
     * @param options   for all that a request says nothing about
     * @param listeners of LangChain4j's
     */
    public PenseeChatModel(Model model, Options options, List<ChatModelListener> listeners) {
        super(model, options, listeners);
    }

    @Override
    public ChatResponse doChat(ChatRequest request) {
        try {
            final Reply reply = model.ask(Requests.prompt(request), Requests.options(request, options));
            return Responses.response(model, reply.thought(), reply.answer(), Responses.calls(reply.toolCalls()),
                                      reply.finishReason(), reply.usage());
        } catch (PenseeException failure) {
            throw Responses.exception(failure);
        }
    }
}
