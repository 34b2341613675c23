// The module _pensee: pensee.h for Python, one class a handle and one method a function, with no opinion of its own.
// The typed face (dataclasses, iterators, asyncio, defaults, checks of arguments) is Python: pensee/*.py.
#include "support.h"

namespace pensee_python {

namespace {

// StatusError becomes the exception that pensee._errors makes of it.
void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const StatusError& error) {
    try {
      const py::object message = py::reinterpret_steal<py::object>(
          PyUnicode_DecodeUTF8(error.message.data(), static_cast<Py_ssize_t>(error.message.size()), "replace"));
      if (!message) throw py::error_already_set();
      const py::object made = py::module_::import("pensee._errors").attr("error_of")(error.status, message);
      PyErr_SetObject(reinterpret_cast<PyObject*>(Py_TYPE(made.ptr())), made.ptr());
    } catch (py::error_already_set& failure) {
      failure.restore();
    }
  }
}

}  // namespace

}  // namespace pensee_python

PYBIND11_MODULE(_pensee, module) {
  using namespace pensee_python;
  if (pensee_version() < PENSEE_VERSION) {
    throw py::import_error(std::string("pensee: the libpensee that was loaded is version ") + pensee_version_text() +
                           ", older than the one this module was built for");
  }
  py::register_local_exception_translator(&translate);
  module.doc() = "pensee.h for Python, without comfort: use the package pensee.";
  module.attr("HEADER_VERSION") = PENSEE_VERSION;
  module.def("version", &pensee_version);
  module.def("version_text", &pensee_version_text);
  module.def("status_name", &pensee_status_name, py::arg("status"));
  module.def("status_text", &pensee_status_text, py::arg("status"));
  module.def("stop_callbacks", &stop_callbacks);
  define_options(module);
  define_model(module);
}
