// A prompt and options as the library reads them, for the length of one call. Every value goes to the field of the same
// name; what is null stays as the INIT macro set it.
using System;
using System.Linq;

namespace Pensee
{
    internal sealed class Request : IDisposable
    {
        internal readonly pensee_prompt Prompt = new pensee_prompt();
        internal readonly pensee_options Options = new pensee_options();
        private readonly pensee_sampling _sampling = new pensee_sampling();
        private readonly pensee_sampling _answerSampling = new pensee_sampling();
        private NativeHandle.Borrowed _draft;

        internal Request(Prompt prompt, Options? options)
        {
            if (prompt == null) throw new ArgumentNullException(nameof(prompt));
            try
            {
                Fill(prompt);
                if (options != null) Fill(options);
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        public void Dispose()
        {
            _draft.Dispose();
            Options.Dispose();
            Prompt.Dispose();
            _sampling.Dispose();
            _answerSampling.Dispose();
        }

        private void Fill(Prompt prompt)
        {
            Prompt.set_text(Texts.Checked(prompt.Text, "prompt"));
            Prompt.set_system(Texts.Checked(prompt.System, "system"));
            Prompt.set_messages_json(Texts.Checked(prompt.MessagesJson, "messages"));
            Prompt.set_tools_json(Texts.Checked(prompt.ToolsJson, "tools"));
            if (prompt.Ids != null) Prompt.set_ids(prompt.Ids.ToArray(), prompt.Ids.Count);
        }

        private void Fill(Options from)
        {
            Options.max_tokens = from.MaxTokens ?? Options.max_tokens;
            Options.think_budget = from.ThinkBudget ?? Options.think_budget;
            // These four stand here and not in _sampling: AnswerSampling falls back on them.
            Options.temperature = from.Temperature ?? Options.temperature;
            Options.top_p = from.TopP ?? Options.top_p;
            Options.min_p = from.MinP ?? Options.min_p;
            Options.top_k = from.TopK ?? Options.top_k;
            Options.seed = from.Seed ?? Options.seed;
            var stop = Texts.List(from.Stop, "stop");
            if (stop != null) Options.set_stop(stop, stop.Length);
            Options.ignore_eos = from.IgnoreEos ? 1 : 0;
            Options.top_logprobs = from.TopLogprobs;
            Options.effort = (int)from.Effort;
            Options.n = from.N;
            Options.priority = from.Priority;
            Options.answer_budget = from.AnswerBudget ?? Options.answer_budget;
            Options.min_thought = from.MinThought ?? Options.min_thought;
            Options.open_thought = from.OpenThought ? 1 : 0;
            Options.set_thought_prefix(Texts.Checked(from.ThoughtPrefix, "thought_prefix"));
            Options.set_answer_prefix(Texts.Checked(from.AnswerPrefix, "answer_prefix"));
            Options.set_budget_text(Texts.Checked(from.BudgetText, "budget_text"));
            Options.loop_guard = (int)from.LoopGuard;
            Options.loop_ngram = from.LoopNgram;
            Options.loop_repeats = from.LoopRepeats;
            Options.loop_window = from.LoopWindow;
            Options.set_json_schema(Texts.Checked(from.JsonSchema, "json_schema"));
            Options.set_regex(Texts.Checked(from.Regex, "regex"));
            Options.set_grammar(Texts.Checked(from.Grammar, "grammar"));
            Options.tool_choice = (int)from.ToolChoice;
            Options.speculation = (int)from.Speculation;
            Options.draft_max = from.DraftMax;
            Options.trace_experts = from.TraceExperts ? 1 : 0;
            Fill(_sampling, from);
            Options.sampling = _sampling;
            if (from.AnswerSampling != null)
            {
                Fill(_answerSampling, from.AnswerSampling);
                FillFirst(_answerSampling, from.AnswerSampling);
                Options.answer_sampling = _answerSampling;
            }
            if (from.DraftModel != null)
            {
                _draft = from.DraftModel.Handle.Borrow();
                Options.draft_model = _draft.Pointer;
            }
        }

        private static void FillFirst(pensee_sampling to, Sampling from)
        {
            to.temperature = from.Temperature ?? to.temperature;
            to.top_p = from.TopP ?? to.top_p;
            to.min_p = from.MinP ?? to.min_p;
            to.top_k = from.TopK ?? to.top_k;
        }

        private static void Fill(pensee_sampling to, Sampling from)
        {
            to.typical_p = from.TypicalP ?? to.typical_p;
            to.top_n_sigma = from.TopNSigma ?? to.top_n_sigma;
            to.xtc_probability = from.XtcProbability ?? to.xtc_probability;
            to.xtc_threshold = from.XtcThreshold ?? to.xtc_threshold;
            to.repetition_penalty = from.RepetitionPenalty ?? to.repetition_penalty;
            to.frequency_penalty = from.FrequencyPenalty ?? to.frequency_penalty;
            to.presence_penalty = from.PresencePenalty ?? to.presence_penalty;
            to.penalty_last_n = from.PenaltyLastN ?? to.penalty_last_n;
            to.dry_multiplier = from.DryMultiplier ?? to.dry_multiplier;
            to.dry_base = from.DryBase ?? to.dry_base;
            to.dry_allowed_length = from.DryAllowedLength ?? to.dry_allowed_length;
            to.dry_last_n = from.DryLastN ?? to.dry_last_n;
            to.mirostat = from.Mirostat ?? to.mirostat;
            to.mirostat_tau = from.MirostatTau ?? to.mirostat_tau;
            to.mirostat_eta = from.MirostatEta ?? to.mirostat_eta;
            var breakers = Texts.List(from.DryBreakers, "dry_breakers");
            if (breakers != null) to.set_dry_breakers(breakers, breakers.Length);
            if (from.LogitBias != null && from.LogitBias.Count > 0)
            {
                var ids = from.LogitBias.Keys.ToArray();
                to.set_logit_bias(ids, ids.Select(id => from.LogitBias[id]).ToArray(), ids.Length);
            }
            if (from.Order != null)
            {
                to.set_order(from.Order.Select(sampler => (int)sampler).ToArray(), from.Order.Count);
            }
        }
    }
}
