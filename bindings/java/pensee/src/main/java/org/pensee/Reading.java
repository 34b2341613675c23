package org.pensee;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Copies what the library returns into values, so that all of it may be kept. */
final class Reading {
    private Reading() {
    }

    /** Writes into an array what fits and returns the count that there is. */
    interface Into<T> {
        long write(T array, long capacity);
    }

    static int[] ints(int guess, Into<int[]> call) {
        int[] values = new int[guess];
        int count = Math.toIntExact(call.write(values, values.length));
        while (count > values.length) {
            values = new int[count];
            count = Math.toIntExact(call.write(values, values.length));
        }
        return Arrays.copyOf(values, count);
    }

    static float[] floats(int guess, Into<float[]> call) {
        float[] values = new float[guess];
        int count = Math.toIntExact(call.write(values, values.length));
        while (count > values.length) {
            values = new float[count];
            count = Math.toIntExact(call.write(values, values.length));
        }
        return Arrays.copyOf(values, count);
    }

    static byte[] bytes(int guess, Into<byte[]> call) {
        byte[] values = new byte[guess];
        int count = Math.toIntExact(call.write(values, values.length));
        while (count > values.length) {
            values = new byte[count];
            count = Math.toIntExact(call.write(values, values.length));
        }
        return Arrays.copyOf(values, count);
    }

    static ModelInfo info(pensee_model_info from) {
        return new ModelInfo(
            Texts.orEmpty(from.getArchitecture()), Texts.orEmpty(from.getName()),
            Texts.orEmpty(from.getQuantization()), Texts.orEmpty(from.getBackend()), Texts.orEmpty(from.getIsa()),
            from.getParameters_total(), from.getParameters_active(), from.getNum_hidden_layers(),
            from.getHidden_size(), from.getVocab_size(), from.getContext_max(), from.getN_routed_experts(),
            from.getNum_experts_per_tok(), from.getN_shared_experts(), from.getCache_bytes_per_token(),
            from.getWeight_bytes(), from.getActive_weight_bytes(), from.getMemory_bytes(), from.getLoad_seconds(),
            from.getThreads(), from.getHas_chat_template() != 0, from.getThinks() != 0, from.getBos_token_id(),
            from.getEos_token_id(), from.getNum_mtp_layers(), from.getNum_moe_layers(),
            Texts.orEmpty(from.getTool_format()));
    }

    static Event event(pensee_event from, ModelInfo info) {
        final int size = Math.toIntExact(from.getText_length());
        final String text = size == 0 ? "" : Texts.string(bytes(size, from::copy_text));
        final Event.Token token = from.getToken_id() < 0 ? null : token(from, info);
        final int sample = from.getSample();
        final int kind = from.getKind();
        if (kind == Event.Kind.THOUGHT.value) return new Event.Thought(text, token, sample);
        if (kind == Event.Kind.ANSWER.value) return new Event.Answer(text, token, sample);
        if (kind == Event.Kind.END.value) {
            return new Event.End(sample, FinishReason.of(from.getFinish_reason()), usage(from.getUsage()));
        }
        final String name = from.getTool_name();
        return new Event.ToolCall(text, token, sample, name == null ? null : new ToolCall(
            Texts.orEmpty(from.getTool_call_id()), name, Texts.orEmpty(from.getTool_arguments_json())));
    }

    static Reply reply(long from, boolean routed) {
        final List<ToolCall> calls = new ArrayList<>();
        for (long i = 0; i < Native.pensee_reply_num_tool_calls(from); i++) {
            final pensee_tool_call call = Native.pensee_reply_tool_call(from, i);
            calls.add(new ToolCall(Texts.orEmpty(call.getId()), Texts.orEmpty(call.getName()),
                                   Texts.orEmpty(call.getArguments_json())));
        }
        final List<Reply> others = new ArrayList<>();
        for (long i = 1; i < Native.pensee_reply_num_samples(from); i++) {
            others.add(reply(Native.pensee_reply_sample(from, i), routed));
        }
        return new Reply(
            Texts.orEmpty(Native.pensee_reply_thought(from)), Texts.orEmpty(Native.pensee_reply_answer(from)),
            List.copyOf(calls), usage(Native.pensee_reply_usage(from)),
            FinishReason.of(Native.pensee_reply_finish_reason(from)),
            ints(256, (ids, size) -> Native.pensee_reply_copy_token_ids(from, ids, size)),
            floats(256, (logprobs, size) -> Native.pensee_reply_copy_logprobs(from, logprobs, size)),
            Texts.orEmpty(Native.pensee_reply_message_json(from)), routed ? routing(from) : null,
            List.copyOf(others));
    }

    /** Reads and frees. */
    static Reply take(long reply, boolean routed) {
        try {
            return reply(reply, routed);
        } finally {
            Native.pensee_reply_free(reply);
        }
    }

    /** Reads and frees. */
    static Vote takeVote(long vote, boolean routed) {
        try {
            final List<VoteAnswer> answers = new ArrayList<>();
            for (long i = 0; i < Native.pensee_vote_num_answers(vote); i++) {
                final pensee_vote_answer answer = Native.pensee_vote_get_answer(vote, i);
                answers.add(new VoteAnswer(Texts.orEmpty(answer.getAnswer()), answer.getVotes(), answer.getWeight(),
                                           answer.getReply()));
            }
            final List<Reply> replies = new ArrayList<>();
            for (long i = 0; i < Native.pensee_vote_num_replies(vote); i++) {
                replies.add(reply(Native.pensee_vote_get_reply(vote, i), routed));
            }
            return new Vote(List.copyOf(answers), List.copyOf(replies));
        } finally {
            Native.pensee_vote_free(vote);
        }
    }

    private static Usage usage(pensee_usage from) {
        return new Usage(
            from.getPrompt_tokens(), from.getCached_tokens(), from.getThought_tokens(), from.getAnswer_tokens(),
            from.getSeconds_to_first_token(), from.getSeconds(), from.getPrompt_tokens_per_second(),
            from.getTokens_per_second(), from.getParameters_active(), from.getFlops(), from.getWeight_bytes_read(),
            from.getSeed(), from.getDrafted_tokens(), from.getAccepted_tokens(), from.getPasses(),
            from.getSeconds_waiting());
    }

    private static Event.Token token(pensee_event from, ModelInfo info) {
        Routing experts = null;
        if (from.getNum_experts() > 0) {
            final int count = Math.toIntExact(from.getNum_experts());
            experts = new Routing(1, info.numMoeLayers(), info.numExpertsPerTok(), ints(count, from::copy_expert_ids),
                                  floats(count, from::copy_expert_weights));
        }
        return new Event.Token(from.getToken_id(), from.getLogprob(), from.getPosition(), alternatives(from),
                               from.getForced() != 0, experts);
    }

    private static List<Event.Alternative> alternatives(pensee_event from) {
        final int[] ids = new int[Math.toIntExact(from.getNum_alternatives())];
        if (ids.length == 0) return List.of();
        final float[] logprobs = new float[ids.length];
        from.copy_alternatives(ids, logprobs, ids.length);
        final List<Event.Alternative> all = new ArrayList<>();
        for (int i = 0; i < ids.length; i++) all.add(new Event.Alternative(ids[i], logprobs[i]));
        return List.copyOf(all);
    }

    private static Routing routing(long reply) {
        final pensee_routing from = new pensee_routing();
        try {
            Native.pensee_reply_routing(reply, from);
            final int count = Math.toIntExact(
                from.getPositions() * from.getNum_moe_layers() * from.getNum_experts_per_tok());
            return new Routing(from.getPositions(), from.getNum_moe_layers(), from.getNum_experts_per_tok(),
                               ints(count, from::copy_expert_ids), floats(count, from::copy_expert_weights));
        } finally {
            from.delete();
        }
    }
}
