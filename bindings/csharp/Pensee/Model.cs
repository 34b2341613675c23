// Model: weights, tokenizer and chat template. Everything here is safe from many threads at once, as the header
// promises of a const handle; SetWeights alone takes turns with itself.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Win32.SafeHandles;

namespace Pensee
{
    /// <summary>Weights, tokenizer and chat template. Any number of threads may use one model at once. Disposing gives
    /// the memory back as soon as its last session and stream are gone too.</summary>
    public sealed partial class Model : IDisposable
    {
        private const uint AddSpecial = 1, PlainText = 2, SkipSpecial = 4; // flags of pensee.h
        private const uint InThought = 1;
        private readonly object _setting = new object();

        /// <summary>Opens a GGUF file (of a split one the first part), a .safetensors file with its config.json beside
        /// it, a Hugging Face folder, or a file of <see cref="SavePacked"/>; null: the default model, which comes with
        /// the library.</summary>
        public Model(string? path = null, ModelOptions? options = null)
            : this(Open(options, native => Native.pensee_model_open(Texts.Checked(path, "path"), native)))
        {
        }

        private Model(IntPtr pointer)
        {
            Handle = new ModelHandle(pointer);
            Info = ReadInfo(pointer);
        }

        internal ModelHandle Handle { get; }

        /// <summary>What the model is and costs. Stays readable when the model is disposed.</summary>
        public ModelInfo Info { get; private set; }

        /// <summary>What the model takes now.</summary>
        public Memory Memory
        {
            get
            {
                using (var model = Handle.Borrow())
                using (var memory = new pensee_memory())
                {
                    Native.pensee_model_get_memory(model.Pointer, memory);
                    return new Memory(memory.budget, memory.used, memory.weights, memory.prefix_cache, memory.scratch,
                                      memory.mapped);
                }
            }
        }

        /// <summary>A GGUF in memory; the bytes are read during the call only.</summary>
        public static Model FromMemory(byte[] data, ModelOptions? options = null)
        {
            if (data == null) throw new ArgumentNullException(nameof(data));
            var pinned = GCHandle.Alloc(data, GCHandleType.Pinned);
            try
            {
                return FromMemory(pinned.AddrOfPinnedObject(), data.LongLength, options);
            }
            finally
            {
                pinned.Free();
            }
        }

        /// <summary>A GGUF in memory that does not move, for instance a mapped file; read during the call
        /// only.</summary>
        public static Model FromMemory(IntPtr data, long size, ModelOptions? options = null)
        {
            if (size < 0) throw PenseeException.BadArgument("size", "is negative");
            return new Model(Open(options, native => Native.pensee_model_open_memory(data, size, native)));
        }

        /// <summary>A GGUF inside an open file, from byte <paramref name="offset"/> over <paramref name="length"/>
        /// bytes (0: to the end). The file may be closed when the call is back.</summary>
        public static Model FromFile(SafeFileHandle file, long offset = 0, long length = 0,
                                     ModelOptions? options = null)
        {
            if (file == null) throw new ArgumentNullException(nameof(file));
            var added = false;
            try
            {
                file.DangerousAddRef(ref added);
                return FromFileDescriptor((int)file.DangerousGetHandle(), offset, length, options);
            }
            finally
            {
                if (added) file.DangerousRelease();
            }
        }

        /// <summary>The same of a file descriptor, which is duplicated: close yours when you like.</summary>
        public static Model FromFileDescriptor(int fd, long offset = 0, long length = 0, ModelOptions? options = null)
        {
            if (offset < 0) throw PenseeException.BadArgument("offset", "is negative");
            if (length < 0) throw PenseeException.BadArgument("length", "is negative");
            return new Model(Open(
                options, native => Native.pensee_model_open_fd(fd, (ulong)offset, (ulong)length, native)));
        }

        /// <summary>Token ids of a text. <paramref name="addSpecial"/>: with what the model puts around a text (BOS).
        /// <paramref name="plainText"/>: "&lt;|im_end|&gt;" in the text stays text.</summary>
        public int[] Tokenize(string text, bool addSpecial = false, bool plainText = false)
        {
            var bytes = Texts.Bytes(text, nameof(text));
            var flags = (addSpecial ? AddSpecial : 0) | (plainText ? PlainText : 0);
            using (var model = Handle.Borrow())
            {
                var pointer = model.Pointer;
                return Reading.Sized<int>(bytes.Length / 2 + 8, (ids, size) => Native.pensee_tokenize(
                    pointer, bytes, bytes.Length, flags, ids, size));
            }
        }

        /// <summary>Text of token ids; bytes that are no whole character become U+FFFD.</summary>
        public string Detokenize(IEnumerable<int> ids, bool skipSpecial = false)
        {
            return Texts.String(DetokenizeBytes(ids, skipSpecial));
        }

        /// <summary>The bytes of token ids: a list cut inside a character gives a part of it.</summary>
        public byte[] DetokenizeBytes(IEnumerable<int> ids, bool skipSpecial = false)
        {
            var array = Array(ids);
            using (var model = Handle.Borrow())
            {
                var pointer = model.Pointer;
                return Reading.Sized<byte>(array.Length * 8, (text, size) => Native.pensee_detokenize(
                    pointer, array, array.Length, skipSpecial ? SkipSpecial : 0, text, size));
            }
        }

        /// <summary>Teacher-forced logits, row by row: the row of VocabSize numbers that begins at i * VocabSize is the
        /// model's prediction after ids[0..i]. No BOS is added. Calls of many threads take turns.</summary>
        public float[] Logits(IEnumerable<int> ids)
        {
            var array = Array(ids);
            if (array.Length * Info.VocabSize > int.MaxValue)
            {
                throw PenseeException.BadArgument("ids", "too many for one array of logits; score them in parts");
            }
            var logits = new float[array.Length * Info.VocabSize];
            using (var model = Handle.Borrow()) Native.pensee_logits(model.Pointer, array, array.Length, logits);
            return logits;
        }

        /// <summary>Log-probabilities of the given tokens alone: that of ids[i] after ids[0..i-1]; the first is
        /// 0.</summary>
        public float[] Logprobs(IEnumerable<int> ids)
        {
            var array = Array(ids);
            var logprobs = new float[array.Length];
            using (var model = Handle.Borrow()) Native.pensee_logprobs(model.Pointer, array, array.Length, logprobs);
            return logprobs;
        }

        /// <summary><see cref="Logprobs"/> with the routing replayed and recorded. The numbers equal, bit for bit,
        /// those that events gave when the tokens were generated (native backend).</summary>
        /// <param name="ids">The tokens.</param>
        /// <param name="replay">The experts to use; -1, and positions missing at the end: the router chooses.</param>
        /// <param name="trace">Tell the experts that were used.</param>
        /// <param name="progress">Called on this thread with 0..1; false cancels.</param>
        public Score Score(IEnumerable<int> ids, Routing? replay = null, bool trace = false,
                           Func<float, bool>? progress = null)
        {
            var array = Array(ids);
            var row = checked((int)(Info.NumMoeLayers * Info.NumExpertsPerTok));
            var count = checked(array.Length * row);
            var given = replay == null ? null : Replayed(replay, row, count);
            var logprobs = new float[array.Length];
            var routing = !trace ? null : new Routing(array.Length, Info.NumMoeLayers, Info.NumExpertsPerTok,
                                                      new int[count], new float[count]);
            using (var model = Handle.Borrow())
            {
                var pointer = model.Pointer;
                return Progress.Run(progress, native =>
                {
                    Native.pensee_score_traced(pointer, array, array.Length, given, routing?.ExpertIds,
                                               routing?.ExpertWeights, native, logprobs);
                    return new Score(logprobs, routing);
                });
            }
        }

        /// <summary>Writes the model as it lies in memory, weights that were replaced as well, to a file that stands
        /// alone: opening it takes milliseconds and gives bit for bit the same numbers; processes that do so share the
        /// memory. For the native backend, and releases with the same layouts. Atomic.</summary>
        /// <param name="path">The file.</param>
        /// <param name="progress">Called on this thread with 0..1; false cancels.</param>
        public void SavePacked(string path, Func<float, bool>? progress = null)
        {
            WriteFile((model, file, told) => Native.pensee_model_save_packed_told(model, file, told), path, progress);
        }

        /// <summary>Measures each backend on this model's shapes and writes what <see cref="ModelOptions.TuningFile"/>
        /// reads. Some seconds a shape; keep the machine idle meanwhile.</summary>
        /// <param name="path">The file.</param>
        /// <param name="progress">Called on this thread with 0..1; false cancels.</param>
        public void Tune(string path, Func<float, bool>? progress = null)
        {
            WriteFile((model, file, told) => Native.pensee_model_tune_told(model, file, told), path, progress);
        }

        /// <summary>Replaces weights in place, as a trainer hands them over: all or nothing. Tensors that are packed
        /// together (q, k, v; gate and up of all experts) come together, unless <see cref="ModelOptions.KeepFile"/> was
        /// set. What sessions had computed is forgotten. <see cref="Status.Busy"/> while anything generates.</summary>
        public void SetWeights(IEnumerable<Tensor> tensors)
        {
            if (tensors == null) throw new ArgumentNullException(nameof(tensors));
            var pinned = new List<GCHandle>();
            try
            {
                using (var model = Handle.Borrow())
                using (var native = new pensee_tensors())
                {
                    foreach (var tensor in tensors)
                    {
                        if (tensor.Data.LongLength != Bytes(tensor))
                        {
                            throw PenseeException.BadArgument(tensor.Name, "its data is not as long as its shape says");
                        }
                        var data = GCHandle.Alloc(tensor.Data, GCHandleType.Pinned);
                        pinned.Add(data);
                        native.add(Texts.Checked(tensor.Name, "tensor"), (int)tensor.DType, tensor.Shape,
                                   tensor.Shape.Length, data.AddrOfPinnedObject());
                    }
                    lock (_setting) native.set_weights(model.Pointer);
                }
            }
            finally
            {
                foreach (var data in pinned) data.Free();
            }
        }

        /// <summary>Sessions compute nothing from the end of the pass that runs until <see cref="Resume"/>: for an
        /// application that goes into the background. Nothing is lost and no thread spins; streams wait, cancelling
        /// works. Scoring goes on.</summary>
        public void Pause()
        {
            using (var model = Handle.Borrow()) Native.pensee_model_pause(model.Pointer);
        }

        /// <summary>Ends any number of pauses.</summary>
        public void Resume()
        {
            using (var model = Handle.Borrow()) Native.pensee_model_resume(model.Pointer);
        }

        /// <summary>Gives memory back to the system and returns the bytes; waits for no pass and changes no bit of any
        /// text.</summary>
        public long Trim(TrimLevel level = TrimLevel.Caches)
        {
            using (var model = Handle.Borrow()) return Native.pensee_model_trim(model.Pointer, (int)level);
        }

        /// <summary>Computes with so many threads (0: the CPUs that this process may use) from the next pass on; the
        /// text stays the same.</summary>
        public void SetThreads(int threads)
        {
            using (var model = Handle.Borrow())
            {
                Native.pensee_model_set_threads(model.Pointer, threads);
                Info = ReadInfo(model.Pointer);
            }
        }

        /// <summary>Splits a text that was generated elsewhere, or kept, as a stream of this model would.
        /// <paramref name="inThought"/>: the prompt had opened the thought already.</summary>
        public Reply ParseReply(string text, bool inThought = false)
        {
            var bytes = Texts.Bytes(text, nameof(text));
            using (var model = Handle.Borrow())
            {
                return Session.Take(Native.pensee_parse_reply(model.Pointer, bytes, bytes.Length,
                                                              inThought ? InThought : 0), false);
            }
        }

        /// <summary>The prompt as the model will read it: put through the chat template.</summary>
        public string Render(Prompt prompt, Options? options = null)
        {
            using (var model = Handle.Borrow())
            using (var request = new Request(prompt, options))
            {
                var pointer = model.Pointer;
                return Texts.String(Reading.Sized<byte>(1024, (text, size) => Native.pensee_render_prompt(
                    pointer, request.Prompt, request.Options, text, size)));
            }
        }

        /// <summary>A new session. It keeps the weights alive.</summary>
        public Session NewSession()
        {
            using (var model = Handle.Borrow()) return new Session(Native.pensee_session_new(model.Pointer), Info);
        }

        /// <summary>The session that <see cref="Session.Save"/> wrote: of this model, with the same cache types. It
        /// answers bit for bit as the saved one would.</summary>
        public Session Restore(string path)
        {
            if (path == null) throw new ArgumentNullException(nameof(path));
            using (var model = Handle.Borrow())
            {
                return new Session(Native.pensee_session_restore(model.Pointer, Texts.Checked(path, "path")), Info);
            }
        }

        /// <summary>The session that <see cref="Session.ToBytes"/> returned.</summary>
        public Session Restore(byte[] data)
        {
            if (data == null) throw new ArgumentNullException(nameof(data));
            var pinned = GCHandle.Alloc(data, GCHandleType.Pinned);
            try
            {
                using (var model = Handle.Borrow())
                {
                    return new Session(Native.pensee_session_restore_memory(
                        model.Pointer, pinned.AddrOfPinnedObject(), data.LongLength), Info);
                }
            }
            finally
            {
                pinned.Free();
            }
        }

        /// <summary>Begins a reply in a session of its own.</summary>
        public Stream Generate(Prompt prompt, Options? options = null)
        {
            using (var session = NewSession()) return session.Generate(prompt, options); // which the stream keeps
        }

        /// <summary>The whole reply, in a session of its own.</summary>
        public Reply Ask(Prompt prompt, Options? options = null)
        {
            using (var session = NewSession()) return session.Ask(prompt, options);
        }

        /// <summary>The whole reply, in a session of its own; no thread of the caller waits. Cancelling stops
        /// it.</summary>
        public async Task<Reply> AskAsync(Prompt prompt, Options? options = null,
                                          CancellationToken cancellationToken = default(CancellationToken))
        {
            using (var session = NewSession())
            {
                return await session.AskAsync(prompt, options, cancellationToken).ConfigureAwait(false);
            }
        }

        /// <summary>What replies to one prompt agree on.</summary>
        public Vote Vote(Prompt prompt, Options? options = null, VoteOptions? voteOptions = null)
        {
            using (var session = NewSession()) return session.Vote(prompt, options, voteOptions);
        }

        /// <summary>The same; no thread of the caller waits. Cancelling stops the replies.</summary>
        public async Task<Vote> VoteAsync(Prompt prompt, Options? options = null, VoteOptions? voteOptions = null,
                                          CancellationToken cancellationToken = default(CancellationToken))
        {
            using (var session = NewSession())
            {
                return await session.VoteAsync(prompt, options, voteOptions, cancellationToken).ConfigureAwait(false);
            }
        }

        /// <summary>Lets go of the model. May be called again; every method throws ObjectDisposedException afterwards.
        /// </summary>
        public void Dispose()
        {
            Handle.Dispose();
        }

        /// <summary>For a debugger: what the model is.</summary>
        public override string ToString()
        {
            return Info.Architecture + " " + Info.Name + " " + Info.Quantization;
        }

        private static ModelInfo ReadInfo(IntPtr model)
        {
            using (var info = new pensee_model_info())
            {
                Native.pensee_model_get_info(model, info);
                return Reading.ToInfo(info);
            }
        }

        private void WriteFile(Action<IntPtr, string, Progress?> write, string path, Func<float, bool>? progress)
        {
            if (path == null) throw new ArgumentNullException(nameof(path));
            using (var model = Handle.Borrow())
            {
                var pointer = model.Pointer;
                Progress.Run(progress, native =>
                {
                    write(pointer, Texts.Checked(path, "path"), native);
                    return 0;
                });
            }
        }

        private static IntPtr Open(ModelOptions? options, Func<pensee_model_options, IntPtr> call)
        {
            using (var native = new pensee_model_options())
            {
                if (options != null) Fill(native, options);
                return Progress.Run(options?.Progress, progress =>
                {
                    if (progress != null) native.set_progress(progress);
                    return call(native);
                });
            }
        }

        private static void Fill(pensee_model_options to, ModelOptions from)
        {
            to.threads = from.Threads;
            to.backend = (int)from.Backend;
            to.activations = (int)from.Activations;
            to.cache_type = (int)from.CacheType;
            to.context_max = from.ContextMax;
            to.memory_budget = from.MemoryBudget;
            to.skip_weights = from.SkipWeights ? 1 : 0;
            to.exact = from.Exact ? 1 : 0;
            to.set_isa(Texts.Checked(from.Isa, "isa"));
            to.value_cache_type = (int)from.ValueCacheType;
            to.mtp = from.Mtp;
            to.prefix_cache_bytes = from.PrefixCacheBytes;
            to.max_concurrent = from.MaxConcurrent;
            to.max_waiting = from.MaxWaiting;
            to.keep_file = from.KeepFile ? 1 : 0;
            to.thread_priority = (int)from.ThreadPriority;
            to.packed_file = (int)from.PackedFile;
            to.set_tuning_file(Texts.Checked(from.TuningFile, "tuning_file"));
        }

        private static int[] Array(IEnumerable<int> ids)
        {
            return ids as int[] ?? (ids ?? throw new ArgumentNullException(nameof(ids))).ToArray();
        }

        private static int[] Replayed(Routing replay, int row, int count)
        {
            if (replay.NumMoeLayers * replay.NumExpertsPerTok != row || replay.ExpertIds.Length > count)
            {
                throw PenseeException.BadArgument("replay", "its shape is not that of the ids");
            }
            var ids = Enumerable.Repeat(-1, count).ToArray();
            replay.ExpertIds.CopyTo(ids, 0);
            return ids;
        }

        private static long Bytes(Tensor tensor)
        {
            try
            {
                var bytes = tensor.DType == DType.F32 ? 4L : 2L;
                foreach (var size in tensor.Shape) bytes = checked(bytes * size);
                return bytes;
            }
            catch (OverflowException)
            {
                return -1;
            }
        }
    }
}
