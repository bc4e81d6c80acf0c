# tests/fuzz/seeds.tcl FOLDER - what other tests know, as inputs for the fuzz targets; a file
# is FOLDER/TARGET/N.
#
#   sql         all examples and errors of tests/surface.tcl
#   tokenizer   the tokenizers of tests/fixtures, each with the words of a small vocabulary,
#               and the texts that are hard for them
#   folder      the files of the models of tests/fixtures, where they are small
set tests [file dirname [file dirname [file normalize [info script]]]]
set out [lindex $argv 0]
file delete -force $out

proc read_file {path} {
  set f [open $path rb]
  set data [read $f]
  close $f
  return $data
}
proc lines {path} { return [split [string trimright [read_file $path] \n] \n] }

proc seed {target data} {
  set folder $::out/$target
  file mkdir $folder
  set f [open $folder/[incr ::count($target)] wb]
  puts -nonewline $f $data
  close $f
}

# ------------------------------------------------------------------------------ SQL
proc fixture {name} { return $::tests/fixtures/$name }
source $tests/surface.tcl
foreach {- sql} $examples { seed sql $sql }
foreach {- sql -} $misuses { seed sql $sql }

# ----------------------------------------------------------------------- tokenizers
proc unescape {text} {
  return [subst -nocommands -novariables [regsub -all {\\([0-9a-f][0-9a-f])} $text {\\x\1}]]
}
set words {[UNK] <unk> [CLS] [SEP] <s> </s> <mask> a b c e s ab aa ##a ##b @@a the he un . # a</w>}
set merges "a b\na a\naa aa\nh e\nt he"
proc tokenizer {settings} {
  if {$settings ne ""} { seed tokenizer "S[join $settings \n]\n\n[join $::words \n]\n\n$::merges" }
}
foreach name {tokenizer/configurations.txt tokenizer/wordlevel.txt bpe/configurations.txt} {
  set settings {}
  foreach line [lines [fixture $name]] {
    if {[regexp {^(= |hash )} $line]} {
      tokenizer $settings
      set settings {}
      continue
    }
    lassign [split $line \t] path type value
    set kind [lsearch {null false true integer real text array object} $type]
    lappend settings "[unescape $path]\t$kind\t[unescape $value]"
  }
  tokenizer $settings
}
set n 0
foreach {text - -} [lines [fixture tokenizer/cases.txt]] {
  if {[string length $text] < 300} { seed tokenizer [format %c [incr n]][unescape $text] }
}

# -------------------------------------------------------------------------- folders
# As fuzz_folder.c has it: a byte for the file, then what is in it.
set letter {model.safetensors S tokenizer.json T tokenizer_config.json K modules.json 0
  config.json 1 1_Pooling/config.json 2 sentence_bert_config.json 4
  config_sentence_transformers.json 5 generation_config.json G special_tokens_map.json M
  vocab.json V merges.txt B}
foreach {name byte} $letter {
  foreach path [glob -nocomplain $tests/fixtures/*/*/$name] {
    if {[file size $path] < 9000} { seed folder $byte[read_file $path] }
  }
}
