// The part of xunit that the tests use, for mono, which has none: [Fact], Assert, and a Main that runs every test of
// the assembly. Not part of the SDK's test project.
//
//   mono pensee_csharp_test.exe [PART OF A NAME]
using System;
using System.Collections;
using System.Linq;
using System.Reflection;
using System.Threading.Tasks;

namespace Xunit
{
    [AttributeUsage(AttributeTargets.Method)]
    public sealed class FactAttribute : Attribute
    {
    }

    public sealed class AssertException : Exception
    {
        public AssertException(string message) : base(message)
        {
        }
    }

    public static class Assert
    {
        public static void True(bool condition)
        {
            if (!condition) throw new AssertException("expected true");
        }

        public static void False(bool condition)
        {
            if (condition) throw new AssertException("expected false");
        }

        public static void Null(object value)
        {
            if (value != null) throw new AssertException("expected null, not " + Show(value));
        }

        public static void NotNull(object value)
        {
            if (value == null) throw new AssertException("expected something, not null");
        }

        public static void Equal<T>(T expected, T actual)
        {
            if (Same(expected, actual)) return;
            throw new AssertException("expected " + Show(expected) + "\n     got " + Show(actual));
        }

        public static void Equal<T>(System.Collections.Generic.IEnumerable<T> expected,
                                    System.Collections.Generic.IEnumerable<T> actual)
        {
            Equal<object>(expected, actual);
        }

        public static void NotEqual<T>(T unexpected, T actual)
        {
            if (Same(unexpected, actual)) throw new AssertException("did not expect " + Show(actual));
        }

        public static void Contains(string part, string whole)
        {
            if (whole != null && whole.Contains(part)) return;
            throw new AssertException("no \"" + part + "\" in " + Show(whole));
        }

        public static T Throws<T>(Action action) where T : Exception
        {
            try
            {
                action();
            }
            catch (Exception error)
            {
                return Thrown<T>(error);
            }
            throw new AssertException("expected a " + typeof(T).Name + ", nothing was thrown");
        }

        public static T Throws<T>(Func<object> action) where T : Exception
        {
            return Throws<T>(() => { action(); });
        }

        public static async Task<T> ThrowsAsync<T>(Func<Task> action) where T : Exception
        {
            try
            {
                await action();
            }
            catch (Exception error)
            {
                return Thrown<T>(error);
            }
            throw new AssertException("expected a " + typeof(T).Name + ", nothing was thrown");
        }

        public static async Task<T> ThrowsAnyAsync<T>(Func<Task> action) where T : Exception
        {
            try
            {
                await action();
            }
            catch (T error)
            {
                return error;
            }
            throw new AssertException("expected a " + typeof(T).Name + ", nothing was thrown");
        }

        private static T Thrown<T>(Exception error) where T : Exception
        {
            if (error.GetType() == typeof(T)) return (T)error;
            throw new AssertException("expected a " + typeof(T).Name + ", not " + error);
        }

        private static bool Same(object a, object b)
        {
            if (a is string || !(a is IEnumerable) || !(b is IEnumerable)) return Equals(a, b);
            var left = ((IEnumerable)a).Cast<object>().ToList();
            var right = ((IEnumerable)b).Cast<object>().ToList();
            return left.Count == right.Count && left.Zip(right, Same).All(same => same);
        }

        private static string Show(object value)
        {
            if (value == null) return "null";
            if (value is string || !(value is IEnumerable)) return value.ToString();
            return "[" + string.Join(", ", ((IEnumerable)value).Cast<object>().Select(Show)) + "]";
        }
    }

    public static class Runner
    {
        public static int Main(string[] arguments)
        {
            int passed = 0, failed = 0;
            foreach (var test in typeof(Runner).Assembly.GetTypes().SelectMany(type => type.GetMethods())
                         .Where(method => method.GetCustomAttribute<FactAttribute>() != null))
            {
                var name = test.DeclaringType.Name + "." + test.Name;
                if (arguments.Length > 0 && !name.Contains(arguments[0])) continue;
                try
                {
                    var result = test.Invoke(Activator.CreateInstance(test.DeclaringType), null);
                    (result as Task)?.GetAwaiter().GetResult();
                    passed++;
                    Console.WriteLine("ok - " + name);
                }
                catch (Exception error)
                {
                    failed++;
                    Console.WriteLine("not ok - " + name + "\n" + (error.InnerException ?? error));
                }
            }
            Console.WriteLine("{0} passed, {1} failed", passed, failed);
            return failed == 0 && passed > 0 ? 0 : 1;
        }
    }
}
