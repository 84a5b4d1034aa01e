# Writes OUTPUT, a C++ file that defines each of NAMES as the bytes of the file of the same place in
# FILES; the word NONE stands for an empty one. Run with cmake -P, lists separated by commas.
string(REPLACE "," ";" names "${NAMES}")
string(REPLACE "," ";" files "${FILES}")
set(text "#include \"report/assets.h\"\n\nnamespace restkv::report {\n")
foreach(name file IN ZIP_LISTS names files)
  set(bytes "")
  set(size 0)
  if(NOT file STREQUAL "NONE")
    file(READ "${file}" hex HEX)
    file(SIZE "${file}" size)
    string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  endif()
  string(APPEND text "static constexpr unsigned char ${name}Bytes[] = {${bytes}0};\n"
         "extern const std::string_view ${name};\n"
         "const std::string_view ${name}(reinterpret_cast<const char*>(${name}Bytes), ${size});\n")
endforeach()
file(WRITE "${OUTPUT}" "${text}}  // namespace restkv::report\n")
