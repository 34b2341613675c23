// Copies what the library returns into the values of Values.cs and Event.cs.
using System;
using System.Collections.Generic;

namespace Pensee
{
    internal static class Reading
    {
        /// <summary>What `call` writes into an array of at least the size that it tells.</summary>
        internal static T[] Sized<T>(int guess, Func<T[], long, long> call)
        {
            for (var capacity = guess;;)
            {
                var values = new T[capacity];
                var count = checked((int)call(values, capacity));
                if (count <= capacity)
                {
                    Array.Resize(ref values, count);
                    return values;
                }
                capacity = count;
            }
        }

        internal static Usage ToUsage(pensee_usage from)
        {
            return new Usage
            {
                PromptTokens = from.prompt_tokens,
                CachedTokens = from.cached_tokens,
                ThoughtTokens = from.thought_tokens,
                AnswerTokens = from.answer_tokens,
                SecondsToFirstToken = from.seconds_to_first_token,
                Seconds = from.seconds,
                PromptTokensPerSecond = from.prompt_tokens_per_second,
                TokensPerSecond = from.tokens_per_second,
                ParametersActive = from.parameters_active,
                Flops = from.flops,
                WeightBytesRead = from.weight_bytes_read,
                Seed = from.seed,
                DraftedTokens = from.drafted_tokens,
                AcceptedTokens = from.accepted_tokens,
                Passes = from.passes,
                SecondsWaiting = from.seconds_waiting,
            };
        }

        internal static ModelInfo ToInfo(pensee_model_info from)
        {
            return new ModelInfo
            {
                Architecture = from.architecture ?? "",
                Name = from.name ?? "",
                Quantization = from.quantization ?? "",
                Backend = from.backend ?? "",
                Isa = from.isa ?? "",
                ParametersTotal = from.parameters_total,
                ParametersActive = from.parameters_active,
                NumHiddenLayers = from.num_hidden_layers,
                HiddenSize = from.hidden_size,
                VocabSize = from.vocab_size,
                ContextMax = from.context_max,
                NRoutedExperts = from.n_routed_experts,
                NumExpertsPerTok = from.num_experts_per_tok,
                NSharedExperts = from.n_shared_experts,
                CacheBytesPerToken = from.cache_bytes_per_token,
                WeightBytes = from.weight_bytes,
                ActiveWeightBytes = from.active_weight_bytes,
                MemoryBytes = from.memory_bytes,
                LoadSeconds = from.load_seconds,
                Threads = from.threads,
                HasChatTemplate = from.has_chat_template != 0,
                Thinks = from.thinks != 0,
                BosTokenId = from.bos_token_id < 0 ? (int?)null : from.bos_token_id,
                EosTokenId = from.eos_token_id < 0 ? (int?)null : from.eos_token_id,
                NumMtpLayers = from.num_mtp_layers,
                NumMoeLayers = from.num_moe_layers,
                ToolFormat = from.tool_format ?? "",
            };
        }

        internal static Event ToEvent(pensee_event from, long numMoeLayers, long numExpertsPerTok)
        {
            var data = new EventData
            {
                Kind = (EventKind)from.kind,
                TokenId = from.token_id,
                Logprob = from.logprob,
                Position = from.position,
                Sample = from.sample,
                Forced = from.forced != 0,
                FinishReason = (FinishReason)from.finish_reason,
            };
            if (from.text_length > 0) data.Text = Texts.String(Sized<byte>((int)from.text_length, from.copy_text));
            if (from.num_alternatives > 0) data.Alternatives = ToAlternatives(from);
            if (from.num_experts > 0)
            {
                var count = checked((int)from.num_experts);
                data.Experts = new Routing(1, numMoeLayers, numExpertsPerTok, Sized<int>(count, from.copy_expert_ids),
                                           Sized<float>(count, from.copy_expert_weights));
            }
            if (from.tool_name != null)
            {
                data.Call = new ToolCall(from.tool_call_id ?? "", from.tool_name, from.tool_arguments_json ?? "{}");
            }
            switch (data.Kind)
            {
                case EventKind.Thought: return new Event.Thought(data);
                case EventKind.ToolCall: return new Event.ToolCall(data);
                case EventKind.End: return new Event.End(data, ToUsage(from.usage));
                default: return new Event.Answer(data);
            }
        }

        internal static Reply ToReply(IntPtr from, bool routed)
        {
            var calls = new List<ToolCall>();
            for (var i = 0L; i < Native.pensee_reply_num_tool_calls(from); i++)
            {
                var call = Native.pensee_reply_tool_call(from, i);
                calls.Add(new ToolCall(call.id ?? "", call.name ?? "", call.arguments_json ?? "{}"));
            }
            var others = new List<Reply>();
            for (var i = 1L; i < Native.pensee_reply_num_samples(from); i++)
            {
                others.Add(ToReply(Native.pensee_reply_sample(from, i), routed));
            }
            return new Reply(
                Native.pensee_reply_thought(from) ?? "", Native.pensee_reply_answer(from) ?? "", calls,
                ToUsage(Native.pensee_reply_usage(from)), (FinishReason)Native.pensee_reply_finish_reason(from),
                Sized<int>(256, (ids, size) => Native.pensee_reply_copy_token_ids(from, ids, size)),
                Sized<float>(256, (logprobs, size) => Native.pensee_reply_copy_logprobs(from, logprobs, size)),
                Native.pensee_reply_message_json(from) ?? "", routed ? ToRouting(from) : null, others);
        }

        internal static Vote ToVote(IntPtr from, bool routed)
        {
            var answers = new List<VoteAnswer>();
            for (var i = 0L; i < Native.pensee_vote_num_answers(from); i++)
            {
                var answer = Native.pensee_vote_get_answer(from, i);
                answers.Add(new VoteAnswer(answer.answer ?? "", answer.votes, answer.weight, answer.reply));
            }
            var replies = new List<Reply>();
            for (var i = 0L; i < Native.pensee_vote_num_replies(from); i++)
            {
                replies.Add(ToReply(Native.pensee_vote_get_reply(from, i), routed));
            }
            return new Vote(answers, replies);
        }

        private static Alternative[] ToAlternatives(pensee_event from)
        {
            var ids = new int[from.num_alternatives];
            var logprobs = new float[ids.Length];
            from.copy_alternatives(ids, logprobs, ids.Length);
            var alternatives = new Alternative[ids.Length];
            for (var i = 0; i < ids.Length; i++) alternatives[i] = new Alternative(ids[i], logprobs[i]);
            return alternatives;
        }

        private static Routing ToRouting(IntPtr reply)
        {
            using (var from = new pensee_routing())
            {
                Native.pensee_reply_routing(reply, from);
                var count = checked((int)(from.positions * from.num_moe_layers * from.num_experts_per_tok));
                return new Routing(from.positions, from.num_moe_layers, from.num_experts_per_tok,
                                   Sized<int>(count, from.copy_expert_ids),
                                   Sized<float>(count, from.copy_expert_weights));
            }
        }
    }
}
