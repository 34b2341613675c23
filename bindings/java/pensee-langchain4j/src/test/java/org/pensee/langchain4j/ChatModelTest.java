package org.pensee.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.internal.Json;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelResponseContext;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.PartialThinkingContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.output.FinishReason;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.pensee.LoopGuard;
import org.pensee.Message;
import org.pensee.Model;
import org.pensee.Options;
import org.pensee.Prompt;
import org.pensee.Reply;
import org.pensee.Sampling;

/** LangChain4j's face shows what pensee's own shows, and what it cannot do it says. */
@Timeout(120)
class ChatModelTest {
    private static final Options GREEDY = Options.builder().temperature(0).maxTokens(60).thinkBudget(20).build();
    // Ends a call or an answer as soon as the grammar allows it: the model itself writes at random.
    private static final Options CONSTRAINED = Options.builder().seed(1).thinkBudget(4).maxTokens(300)
        .answerSampling(Sampling.builder().logitBias(Map.of(256, 1000f)).build()).build();
    private static final JsonObjectSchema WORD = JsonObjectSchema.builder()
        .addEnumProperty("word", List.of("cat", "dog"))
        .required("word").additionalProperties(false).build();
    private static Model model;

    @BeforeAll
    static void open() {
        Path folder = Path.of("").toAbsolutePath();
        while (!Files.exists(folder.resolve("tests/scenarios/thinker.gguf"))) folder = folder.getParent();
        model = new Model(folder.resolve("tests/scenarios/thinker.gguf"));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    @Test
    void aReplyIsPensees() {
        final Reply expected = model.ask("Hi", GREEDY);
        final ChatResponse response = new PenseeChatModel(model, GREEDY).chat(
            ChatRequest.builder().messages(UserMessage.from("Hi")).build());
        check(expected, response);
        assertTrue(new PenseeChatModel(model, GREEDY).chat("Hi").equals(expected.answer()));
    }

    @Test
    void aStreamBringsThoughtAndAnswerApart() throws InterruptedException {
        final Reply expected = model.ask("Hi", GREEDY);
        final Handler handler = new Handler();
        new PenseeStreamingChatModel(model, GREEDY).chat("Hi", handler);
        handler.await();
        check(expected, handler.response);
        assertEquals(expected.thought(), handler.thought.toString().strip());
        assertEquals(expected.answer(), handler.answer.toString());
        assertTrue(handler.pieces > 10);
        assertEquals(List.of(), handler.errors);
    }

    @Test
    void aConversationIsPensees() {
        final ToolExecutionRequest call = ToolExecutionRequest.builder().id("call_1").name("lookup")
            .arguments("{\"word\": \"cat\"}").build();
        final List<ChatMessage> messages = List.of(
            SystemMessage.from("Be brief."), UserMessage.from("Look it up."),
            AiMessage.builder().text("Sure.").thinking("A cat?").toolExecutionRequests(List.of(call)).build(),
            ToolExecutionResultMessage.from(call, "an animal"), UserMessage.from("And?"));
        final Prompt prompt = Requests.prompt(ChatRequest.builder().messages(messages).build());
        final Prompt expected = Prompt.of(List.of(
            Message.system("Be brief."), Message.user("Look it up."),
            Message.assistant("Sure.", "A cat?", List.of(
                new org.pensee.ToolCall("call_1", "lookup", "{\"word\": \"cat\"}"))),
            Message.tool("call_1", "an animal"), Message.user("And?")));
        assertEquals(expected.messagesJson(), prompt.messagesJson());
        assertEquals(model.render(expected, GREEDY), model.render(prompt, GREEDY));
    }

    @Test
    void parametersGoToOptions() {
        final Options options = Requests.options(ChatRequest.builder().messages(UserMessage.from("Hi")).temperature(0.5)
            .topP(0.75).topK(7).frequencyPenalty(0.25).presencePenalty(-0.25).maxOutputTokens(9)
            .stopSequences(List.of("x", "y")).build(), GREEDY);
        assertEquals(Options.builder().temperature(0.5f).topP(0.75f).topK(7).frequencyPenalty(0.25f)
            .presencePenalty(-0.25f).maxTokens(9).stop("x", "y").thinkBudget(20).build(), options);
        final ChatRequest.Builder request = ChatRequest.builder().messages(UserMessage.from("Hi"));
        assertEquals(GREEDY, Requests.options(request.build(), GREEDY));
        final ToolSpecification strict = ToolSpecification.builder().name("lookup").strict(true).build();
        assertEquals(org.pensee.ToolChoice.STRICT,
                     Requests.options(request.toolSpecifications(strict).build(), GREEDY).toolChoice());
        assertEquals(org.pensee.ToolChoice.REQUIRED,
                     Requests.options(request.toolChoice(ToolChoice.REQUIRED).build(), GREEDY).toolChoice());
    }

    @Test
    void toolsAreCalledAndAnswered() throws InterruptedException {
        final ToolSpecification tool = ToolSpecification.builder().name("lookup").description("Looks a word up.")
            .parameters(WORD).build();
        final ChatRequest request = ChatRequest.builder().messages(UserMessage.from("Look it up."))
            .toolSpecifications(tool).toolChoice(ToolChoice.REQUIRED).build();
        final ChatResponse response = new PenseeChatModel(model, CONSTRAINED).chat(request);
        assertEquals(FinishReason.TOOL_EXECUTION, response.finishReason());
        assertNull(response.aiMessage().text());
        final ToolExecutionRequest call = response.aiMessage().toolExecutionRequests().get(0);
        assertEquals("lookup", call.name());
        assertTrue(List.of("cat", "dog").contains(Json.fromJson(call.arguments(), Map.class).get("word")));
        final Handler handler = new Handler();
        new PenseeStreamingChatModel(model, CONSTRAINED).chat(request, handler);
        handler.await();
        assertEquals(response.aiMessage(), handler.response.aiMessage().toBuilder().toolExecutionRequests(
            List.of(call)).build());
        assertEquals(List.of(new CompleteToolCall(0, handler.response.aiMessage().toolExecutionRequests().get(0))),
                     handler.calls);
        assertEquals(call.arguments(), handler.calls.get(0).toolExecutionRequest().arguments());
    }

    @Test
    void anAnswerKeepsToItsSchema() {
        final ResponseFormat format = ResponseFormat.builder().type(ResponseFormatType.JSON).jsonSchema(
            JsonSchema.builder().name("Word").rootElement(WORD).build()).build();
        final ChatResponse response = new PenseeChatModel(model, CONSTRAINED).chat(
            ChatRequest.builder().messages(UserMessage.from("Which?")).responseFormat(format).build());
        final Map<?, ?> answer = Json.fromJson(response.aiMessage().text(), Map.class);
        assertTrue(List.of(Map.of("word", "cat"), Map.of("word", "dog")).contains(answer));
    }

    @Test
    void cancellingStopsTheWorkAndTheCallbacks() throws InterruptedException {
        final Options endless = Options.builder().temperature(0).loopGuard(LoopGuard.OFF).build();
        final Handler handler = new Handler();
        handler.cancelAfter = 5;
        new PenseeStreamingChatModel(model, endless).chat("Hi", handler);
        assertTrue(handler.cancelled.await(60, TimeUnit.SECONDS));
        assertFalse(handler.done.await(200, TimeUnit.MILLISECONDS));
        assertEquals(5, handler.pieces);
        assertNull(handler.response);
        assertEquals(List.of(), handler.errors);
    }

    @Test
    void whatAHandlerThrowsGoesToItsOnErrorAndTheStreamGoesOn() throws InterruptedException {
        final Handler handler = new Handler();
        handler.throwsAt = 3;
        new PenseeStreamingChatModel(model, GREEDY).chat("Hi", handler);
        handler.await();
        assertEquals("mine", handler.errors.get(0).getMessage());
        assertEquals(1, handler.errors.size());
        assertEquals(model.ask("Hi", GREEDY).answer(), handler.response.aiMessage().text());
    }

    @Test
    void whatIsWrongIsSaid() throws InterruptedException {
        final Options wrong = Options.builder().topP(2).build();
        assertTrue(assertThrows(InvalidRequestException.class, () -> new PenseeChatModel(model, wrong).chat("Hi"))
            .getMessage().contains("top_p"));
        final Handler handler = new Handler();
        new PenseeStreamingChatModel(model, wrong).chat("Hi", handler);
        assertTrue(handler.errors.get(0) instanceof InvalidRequestException);
        final UserMessage image = UserMessage.from(ImageContent.from("file:///a.png"));
        assertThrows(UnsupportedFeatureException.class, () -> new PenseeChatModel(model).chat(image));
    }

    @Test
    void listenersAreTold() {
        final List<ChatResponse> told = new ArrayList<>();
        new PenseeChatModel(model, GREEDY, List.of(new ChatModelListener() {
            @Override
            public void onResponse(ChatModelResponseContext context) {
                told.add(context.chatResponse());
            }
        })).chat("Hi");
        assertEquals(model.ask("Hi", GREEDY).answer(), told.get(0).aiMessage().text());
    }

    private static void check(Reply expected, ChatResponse response) {
        assertEquals(expected.thought(), response.aiMessage().thinking());
        assertEquals(expected.answer(), response.aiMessage().text());
        assertFalse(response.aiMessage().hasToolExecutionRequests());
        assertEquals(FinishReason.LENGTH, response.finishReason());
        assertEquals((int) expected.usage().promptTokens(), response.tokenUsage().inputTokenCount());
        assertEquals(60, response.tokenUsage().outputTokenCount());
        assertEquals(expected.usage().thoughtTokens(),
                     ((PenseeTokenUsage) response.tokenUsage()).usage().thoughtTokens());
        assertFalse(response.modelName().isEmpty());
    }

    private static final class Handler implements StreamingChatResponseHandler {
        private final StringBuilder thought = new StringBuilder();
        private final StringBuilder answer = new StringBuilder();
        private final List<CompleteToolCall> calls = new ArrayList<>();
        private final List<Throwable> errors = new ArrayList<>();
        private final CountDownLatch done = new CountDownLatch(1);
        private final CountDownLatch cancelled = new CountDownLatch(1);
        private ChatResponse response;
        private int pieces;
        private int cancelAfter = -1;
        private int throwsAt = -1;

        @Override
        public void onPartialThinking(PartialThinking partial, PartialThinkingContext context) {
            thought.append(partial.text());
            if (++pieces == throwsAt) throw new IllegalArgumentException("mine");
            if (pieces == cancelAfter) {
                context.streamingHandle().cancel();
                assertTrue(context.streamingHandle().isCancelled());
                cancelled.countDown();
            }
        }

        @Override
        public void onPartialResponse(PartialResponse partial, PartialResponseContext context) {
            answer.append(partial.text());
            pieces++;
        }

        @Override
        public void onCompleteToolCall(CompleteToolCall call) {
            calls.add(call);
        }

        @Override
        public void onCompleteResponse(ChatResponse complete) {
            response = complete;
            done.countDown();
        }

        @Override
        public void onError(Throwable error) {
            errors.add(error);
        }

        private void await() throws InterruptedException {
            assertTrue(done.await(60, TimeUnit.SECONDS));
        }
    }
}
