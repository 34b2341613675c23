package org.pensee;

import java.util.Map;
import java.util.Objects;

/** A prompt and options as the library reads them, for the length of one call. */
final class Request implements AutoCloseable {
    final pensee_prompt prompt = new pensee_prompt();
    final pensee_options options = new pensee_options();
    private final pensee_sampling sampling = new pensee_sampling();
    private final pensee_sampling answerSampling = new pensee_sampling();
    private Handle.Use draft;

    Request(Prompt prompt, Options options) {
        Objects.requireNonNull(prompt, "prompt");
        Objects.requireNonNull(options, "options");
        try {
            fill(prompt);
            fill(options);
        } catch (RuntimeException | Error failure) {
            close();
            throw failure;
        }
    }

    @Override
    public void close() {
        if (draft != null) draft.close();
        options.delete();
        prompt.delete();
        sampling.delete();
        answerSampling.delete();
    }

    private void fill(Prompt from) {
        prompt.set_text(Texts.checked(from.text(), "prompt"));
        prompt.set_system(Texts.checked(from.system(), "system"));
        prompt.set_messages_json(Texts.checked(from.messagesJson(), "messages"));
        prompt.set_tools_json(Texts.checked(from.toolsJson(), "tools"));
        final int[] ids = from.ids();
        if (ids != null) prompt.set_ids(ids, ids.length);
    }

    private void fill(Options from) {
        options.setMax_tokens(from.maxTokens());
        options.setThink_budget(from.thinkBudget());
        options.setSeed(from.seed());
        final byte[] stop = Texts.list(from.stop(), "stop");
        options.set_stop(stop, stop.length);
        options.setIgnore_eos(from.ignoreEos() ? 1 : 0);
        options.setTop_logprobs(from.topLogprobs());
        options.setEffort(from.effort().value);
        options.setN(from.n());
        options.setPriority(from.priority());
        options.setAnswer_budget(from.answerBudget());
        options.setMin_thought(from.minThought());
        options.setOpen_thought(from.openThought() ? 1 : 0);
        options.set_thought_prefix(Texts.checked(from.thoughtPrefix(), "thought_prefix"));
        options.set_answer_prefix(Texts.checked(from.answerPrefix(), "answer_prefix"));
        options.set_budget_text(Texts.checked(from.budgetText(), "budget_text"));
        options.setLoop_guard(from.loopGuard().value);
        options.setLoop_ngram(from.loopNgram());
        options.setLoop_repeats(from.loopRepeats());
        options.setLoop_window(from.loopWindow());
        options.set_json_schema(Texts.checked(from.jsonSchema(), "json_schema"));
        options.set_regex(Texts.checked(from.regex(), "regex"));
        options.set_grammar(Texts.checked(from.grammar(), "grammar"));
        options.setTool_choice(from.toolChoice().value);
        options.setSpeculation(from.speculation().value);
        options.setDraft_max(from.draftMax());
        options.setTrace_experts(from.traceExperts() ? 1 : 0);
        // These four stand here and not in `sampling`: answerSampling falls back on them.
        options.setTemperature(from.sampling().temperature());
        options.setTop_p(from.sampling().topP());
        if (from.sampling().minP() != -1) options.setMin_p(from.sampling().minP());
        options.setTop_k(from.sampling().topK());
        fill(sampling, from.sampling());
        options.setSampling(sampling);
        if (from.answerSampling() != null) {
            fill(answerSampling, from.answerSampling());
            answerSampling.setTemperature(from.answerSampling().temperature());
            answerSampling.setTop_p(from.answerSampling().topP());
            answerSampling.setMin_p(from.answerSampling().minP());
            answerSampling.setTop_k(from.answerSampling().topK());
            options.setAnswer_sampling(answerSampling);
        }
        if (from.draftModel() != null) {
            draft = from.draftModel().use();
            options.setDraft_model(draft.pointer);
        }
    }

    private static void fill(pensee_sampling to, Sampling from) {
        to.setTypical_p(from.typicalP());
        to.setTop_n_sigma(from.topNSigma());
        to.setXtc_probability(from.xtcProbability());
        to.setXtc_threshold(from.xtcThreshold());
        to.setRepetition_penalty(from.repetitionPenalty());
        to.setFrequency_penalty(from.frequencyPenalty());
        to.setPresence_penalty(from.presencePenalty());
        to.setPenalty_last_n(from.penaltyLastN());
        to.setDry_multiplier(from.dryMultiplier());
        to.setDry_base(from.dryBase());
        to.setDry_allowed_length(from.dryAllowedLength());
        to.setDry_last_n(from.dryLastN());
        to.setMirostat(from.mirostat());
        to.setMirostat_tau(from.mirostatTau());
        to.setMirostat_eta(from.mirostatEta());
        final byte[] breakers = Texts.list(from.dryBreakers(), "dry_breakers");
        if (breakers != null) to.set_dry_breakers(breakers, breakers.length);
        final int[] ids = new int[from.logitBias().size()];
        final float[] biases = new float[ids.length];
        int count = 0;
        for (Map.Entry<Integer, Float> row : from.logitBias().entrySet()) {
            ids[count] = row.getKey();
            biases[count++] = row.getValue();
        }
        to.set_logit_bias(ids, biases, count);
        if (from.order() != null) {
            final int[] order = from.order().stream().mapToInt(sampler -> sampler.value).toArray();
            to.set_order(order, order.length);
        }
    }
}
