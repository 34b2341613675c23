package org.pensee;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Prompts, messages, options and values: what goes in and comes out, and what is refused by name. */
class ValueTest {
    private static final String SMILE = "\uD83D\uDE00";
    private final Model model = Scenarios.model();

    @Test
    void textsAreWholeOrRefused() {
        final String text = "a\0b " + SMILE + " \u00e9";
        assertEquals(text, model.detokenize(model.tokenize(text)));
        final Reply reply = model.parseReply("<think>" + SMILE + "</think>caf\u00e9", false);
        assertEquals(SMILE, reply.thought());
        assertEquals("caf\u00e9", reply.answer());
        assertEquals("still", model.parseReply("still</think>", true).thought());
        assertTrue(model.render(Prompt.of("Smile " + SMILE), Options.DEFAULT).contains(SMILE));
        assertTrue(refused(() -> model.ask("a\0b")).contains("prompt"));
        assertTrue(refused(() -> model.ask("a", Options.builder().stop("x\0").build())).contains("stop"));
        assertTrue(refused(() -> model.tokenize(SMILE + "\ud800")).contains("character 2"));
        refused(() -> model.ask("a\ud800"));
        refused(() -> new Model("a\0b"));
        assertThrows(NullPointerException.class, () -> model.tokenize(null));
        assertThrows(NullPointerException.class, () -> model.ask((Prompt) null));
        assertThrows(NullPointerException.class, () -> model.ask("Hi", null));
    }

    @Test
    void messagesAreJson() {
        final ToolCall call = new ToolCall("call_1", "look\"up", "{\"word\": \"\u00e9\"}");
        final Map<String, Object> message = Json.map(Json.parse(
            Message.assistant("a\n\u0001\\", "thought", List.of(call)).json()));
        assertEquals("a\n\u0001\\", message.get("content"));
        assertEquals("thought", message.get("reasoning_content"));
        final Map<String, Object> told = Json.map(Json.list(message.get("tool_calls")).get(0));
        assertEquals("call_1", told.get("id"));
        assertEquals("look\"up", Json.map(told.get("function")).get("name"));
        assertEquals(call.argumentsJson(), Json.map(told.get("function")).get("arguments"));
        final Map<String, Object> result = Json.map(Json.parse(Message.tool("call_1", "42").json()));
        assertEquals("tool", result.get("role"));
        assertEquals("call_1", result.get("tool_call_id"));
        final Map<String, Object> tool = Json.map(Json.parse(new Tool("t", "d", "{\"type\": \"object\"}").json()));
        assertEquals("d", Json.map(tool.get("function")).get("description"));
        assertEquals(Map.of("type", "object"), Json.map(tool.get("function")).get("parameters"));
    }

    @Test
    void aToolCallIsAnsweredInTheSameSession() {
        final Tool tool = new Tool("lookup", "Looks a word up.", "{\"type\": \"object\", \"properties\": {\"word\": "
            + "{\"enum\": [\"cat\", \"dog\"]}}, \"required\": [\"word\"], \"additionalProperties\": false}");
        final Options options = Options.builder().thinkBudget(4).maxTokens(300).toolChoice(ToolChoice.REQUIRED).seed(1)
            .answerSampling(Sampling.builder().logitBias(Map.of(256, 1000f)).build()).build();
        final List<Message> messages = new ArrayList<>(List.of(Message.user("Look it up.")));
        try (Session session = model.newSession()) {
            final Reply reply = session.ask(Prompt.of(messages).withTools(tool), options);
            assertEquals(FinishReason.TOOL_CALL, reply.finishReason());
            final ToolCall call = reply.toolCalls().get(0);
            assertEquals("lookup", call.name());
            assertTrue(List.of("cat", "dog").contains(Json.map(Json.parse(call.argumentsJson())).get("word")));
            messages.add(reply.message());
            messages.add(Message.tool(call.id(), "an animal"));
            assertEquals(8, session.ask(Prompt.of(messages).withTools(tool), Options.builder().maxTokens(8)
                .toolChoice(ToolChoice.NONE).build()).tokenIds().length);
        }
    }

    @Test
    void optionsThatAreWrongAreNamed() {
        assertTrue(refused(() -> model.ask("a", Options.builder().topP(2).build())).contains("top_p"));
        assertTrue(refused(() -> model.ask("a", Options.builder().minP(-0.5f).build())).contains("min_p"));
        assertTrue(refused(() -> model.ask("a", Options.builder().order(Sampler.TOP_K, Sampler.TOP_K).build()))
            .contains("order"));
        assertTrue(refused(() -> new Model(Scenarios.MODEL_PATH, ModelOptions.builder().threads(-1).build()))
            .contains("threads"));
        final ModelOptions defaults = ModelOptions.builder().build();
        assertTrue(refused(() -> Model.fromFileDescriptor(0, -1, 0, defaults)).contains("offset"));
        refused(() -> Model.fromFileDescriptor(987654, 0, 0, defaults));
        refused(() -> model.newSession().rewind(-1));
        refused(() -> model.detokenize(999999));
        refused(() -> model.ask(Prompt.of(new int[0])));
        assertEquals(Status.FILE_CORRUPT, failure(() -> Model.fromMemory(new byte[100])).status());
        assertEquals(Status.FILE_CORRUPT, failure(() -> Model.fromMemory(new byte[0])).status());
        assertEquals(Status.FILE_CORRUPT, failure(() -> model.restore(new byte[100])).status());
        assertEquals(Status.FILE_NOT_FOUND, failure(
            () -> Model.fromFile(Scenarios.ROOT.resolve("nowhere"), 0, 0, defaults)).status());
    }

    @Test
    void alternativesAndSamplersDoWhatTheySay() {
        final Options three = Options.builder().temperature(0).maxTokens(6).topLogprobs(3).build();
        for (Event event : model.generate("Hi", three)) {
            if (event.token() == null) continue;
            assertEquals(3, event.token().alternatives().size());
            assertEquals(event.tokenId(), event.token().alternatives().get(0).tokenId());
            assertEquals(event.token().logprob(), event.token().alternatives().get(0).logprob());
        }
        final Options biased = Options.builder().seed(5).maxTokens(6)
            .logitBias(Map.of(65, 1000f, 66, Float.NEGATIVE_INFINITY)).order(Sampler.TEMPERATURE, Sampler.TOP_K).topK(3)
            .dryBreakers("\n", "x").build();
        assertEquals("AAAAAA", model.ask("Hi", biased).thought());
        final Options stopped = biased.toBuilder().stop("zzz", "AAA").thinkBudget(0).maxTokens(20).build();
        assertEquals(FinishReason.BUDGET, model.ask("Hi", stopped).finishReason());
        assertFalse(model.ask("Hi", stopped).answer().contains("A"));
    }

    @Test
    void timeOutsAreNoEnd() {
        final Options busy = LifetimeTest.tokens(30);
        int count = 0;
        try (Stream stream = model.generate("Hi", busy)) {
            while (!stream.ended()) {
                final Event next = stream.poll(Duration.ofMillis(1));
                count += next == null || next.token() == null ? 0 : 1;
            }
        }
        assertEquals(30, count);
        try (Stream stream = model.generate("Hi", busy)) {
            while (!stream.ended()) stream.poll(Duration.ZERO);
        }
    }

    @Test
    void expertsAreTracedAndReplayed() {
        try (Model experts = new Model(Scenarios.ROOT.resolve("tests/goldens/data/deepseek_v3"))) {
            final int[] ids = IntStream.rangeClosed(1, 12).toArray();
            final Options traced = Options.builder().maxTokens(4).temperature(0).traceExperts(true).build();
            final Reply reply = experts.ask(Prompt.of(ids), traced);
            final Routing routing = reply.routing();
            assertEquals(experts.info().numMoeLayers(), routing.numMoeLayers());
            final int row = (int) (routing.numMoeLayers() * routing.numExpertsPerTok());
            assertEquals(routing.positions() * row, routing.expertIds().length);
            final int[] all = IntStream.concat(Arrays.stream(ids), Arrays.stream(reply.tokenIds())).toArray();
            final Score score = experts.score(all, routing, true, null);
            assertArrayEquals(routing.expertIds(),
                              Arrays.copyOf(score.routing().expertIds(), routing.expertIds().length));
            assertArrayEquals(reply.logprobs(), Arrays.copyOfRange(score.logprobs(), ids.length, all.length));
            refused(() -> experts.score(Arrays.copyOf(ids, 3), routing, false, null));
            try (Stream stream = experts.generate(Prompt.of(ids), traced)) {
                assertEquals(row, stream.next().token().experts().expertIds().length);
            }
        }
    }

    @Test
    void weightsAreReplacedAllOrNone() {
        try (Model own = new Model(Scenarios.MODEL_PATH)) {
            final int[] ids = IntStream.range(65, 73).toArray();
            final float[] before = own.logprobs(ids);
            final int size = (int) own.info().hiddenSize();
            final Tensor zeros = new Tensor("model.norm.weight", new long[] {size}, new float[size]);
            own.setWeights(List.of(zeros));
            assertArrayEquals(new float[(int) (ids.length * own.info().vocabSize())], own.logits(ids));
            final ByteBuffer ones = ByteBuffer.allocate(4 * size + 4).order(ByteOrder.nativeOrder());
            ones.putFloat(7); // before the position: not part of the tensor
            for (int i = 0; i < size; i++) ones.putFloat(1);
            ones.position(4);
            own.setWeights(List.of(new Tensor("model.norm.weight", DType.F32, new long[] {size}, ones)));
            assertArrayEquals(before, own.logprobs(ids));
            assertTrue(refused(() -> own.setWeights(List.of(
                zeros, new Tensor("model.nothing", new long[] {1}, new float[1])))).contains("model.nothing"));
            assertTrue(refused(() -> own.setWeights(List.of(
                new Tensor("model.norm.weight", new long[] {size}, new float[1])))).contains("model.norm.weight"));
            assertArrayEquals(before, own.logprobs(ids));
        }
    }

    @Test
    void aModelTellsWhatItIs() {
        final ModelInfo info = model.info();
        assertEquals("qwen2", info.architecture());
        assertEquals(Scenarios.number(Scenarios.value("vocab_size")), info.vocabSize());
        assertTrue(info.thinks() && info.hasChatTemplate() && info.threads() > 0 && info.weightBytes() > 0);
        assertEquals(256, info.eosTokenId());
        assertEquals(-1, info.bosTokenId());
        assertTrue(model.toString().contains("qwen2"));
        assertTrue(Library.version().startsWith("0."));
        assertTrue(Library.describe(Status.OUT_OF_MEMORY).contains("memory"));
        try (Model inspected = new Model(Scenarios.MODEL_PATH, ModelOptions.builder().skipWeights(true).build())) {
            assertEquals(Status.UNSUPPORTED, failure(() -> inspected.ask("Hi")).status());
        }
    }

    @Test
    void theDefaultModelIsTheOneOnTheClassPath() {
        final Path file = Scenarios.ROOT.resolve("share/pensee/pensee-mini.gguf");
        try (Model mini = new Model(); Model same = new Model(file)) {
            assertEquals(same.info().architecture(), mini.info().architecture());
            assertEquals(same.info().weightBytes(), mini.info().weightBytes());
            final Options greedy = Options.builder().temperature(0).build();
            final Reply reply = mini.ask("Is 221 prime?", greedy);
            assertArrayEquals(same.ask("Is 221 prime?", greedy).tokenIds(), reply.tokenIds());
            assertFalse(reply.thought().isEmpty() || reply.answer().isEmpty());
        }
    }

    private static PenseeException failure(Executable action) {
        return assertThrows(PenseeException.class, action);
    }

    private static String refused(Executable action) {
        final PenseeException error = failure(action);
        assertEquals(Status.BAD_ARGUMENT, error.status());
        return error.getMessage();
    }
}
