# tests/common.tcl - what every test starts with.
#
# How to write a test.  tests/SUBJECT/NAME.test looks like this:
#
#     source [file join [file dirname [info script]] .. common.tcl]
#     set testprefix SUBJECT_NAME
#
#     do_execsql_test 1.1 { SELECT vec_length('[1,2,3]') } {3}
#     do_catchsql_test 1.2 { SELECT vec_length(7) } {1 {...the exact text...}}
#     finish_test
#
#   make test T=SUBJECT/NAME    runs it alone, in a second (T is a shell pattern: T='index/*')
#
# - The verbs are SQLite's own: do_test, do_execsql_test, do_catchsql_test,
#   execsql, catchsql, reset_db, forcedelete, and do_faultsim_test, which makes
#   the Nth allocation or write fail for every N.
# - Every connection that is opened (db, and any other: sqlite3 db2 x.db) has the
#   extension loaded.  `sqlite_orig db2 x.db` opens one that does not.
# - Each file runs in a process and a scratch folder of its own, under several
#   configurations.  [config] tells which:
#     debug      SQLite with asserts and byte-exact memory checks
#     asan       the extension under AddressSanitizer and UBSan
#     release    the system's SQLite library, by way of libsqlite3-tcl
#     isa-scalar isa-avx2 ...  ATTN_ISA set so, on the debug build; the others have the
#                best that the machine has
#   A file takes part in the isa-* ones when it has the line `# isa: all`.
#   Slow ones look smaller there: [sample LIST n] is all of LIST in the debug
#   configuration and every nth element elsewhere.
# - Fault simulation goes in NAME_fault.test or SUBJECT/fault.test, which calls load_faults first; it is left
#   out of `release`.
# - What takes a minute goes in tests/long/NAME.test and runs in `make test-all`, whose
#   parts are the programs in tests/parts (tests/all says how to add one).
# - Tcl 8.6 has no characters beyond U+FFFF; in SQL: CAST(x'F09F9880' AS TEXT).
# - What cannot be tested on this machine is said: skip_test NAME REASON.
# - Compare with the reference implementation (files in tests/fixtures, made by
#   the script beside them), never with our own earlier output.

set tests_dir [file dirname [file normalize [info script]]]
set testdir [file dirname $env(ATTN_TESTER)]
set G(perm:dbconfig) {load_attn $::dbhandle}

# Loads the extension into a connection.
proc load_attn {{db db}} {
  $db enable_load_extension 1
  $db eval {SELECT load_extension($::env(ATTN_SO))}
  $db enable_load_extension 0
}

proc config {} { return $::env(ATTN_CONFIG) }
# In parts of `make test-all` nothing is left out.
proc is_long {} { return [info exists ::env(ATTN_LONG)] }

proc sample {list n} {
  if {[config] eq "debug"} { return $list }
  set result {}
  for {set i 0} {$i < [llength $list]} {incr i $n} { lappend result [lindex $list $i] }
  return $result
}

# tests/fixtures/NAME, and the folder of the real model, all-MiniLM-L6-v2.
proc fixture {name} { return $::tests_dir/fixtures/$name }
proc model_folder {} { return $::env(ATTN_MODEL) }

proc skip_test {name reason} { puts "SKIP $::testprefix-$name: $reason" }

proc read_file {path} {
  set f [open $path rb]
  set data [read $f]
  close $f
  return $data
}

proc write_file {path data} {
  set f [open $path wb]
  puts -nonewline $f $data
  close $f
}

# The texts of a UTF-8 file, one a line, in which \n and \\ are escaped.
proc read_lines {path} {
  set result {}
  set text [encoding convertfrom utf-8 [read_file $path]]
  foreach line [lrange [split $text \n] 0 end-1] {
    lappend result [string map {\\\\ \\ \\n \n} $line]
  }
  return $result
}

# A vector (blob of little-endian float32) as a list of numbers.
proc floats {blob} {
  binary scan $blob r* result
  return $result
}

# The largest difference of two vectors, number by number.
proc max_difference {a b} {
  if {[llength $a] != [llength $b]} { return "[llength $a] numbers and [llength $b]" }
  set max 0.0
  foreach x $a y $b {
    set d [expr {abs($x - $y)}]
    # A NaN is the largest difference of all.
    if {!($d <= $max)} { set max $d }
  }
  return $max
}

proc cosine {a b} {
  set ab 0.0
  set aa 0.0
  set bb 0.0
  foreach x $a y $b {
    set ab [expr {$ab + $x * $y}]
    set aa [expr {$aa + $x * $x}]
    set bb [expr {$bb + $y * $y}]
  }
  return [expr {$ab / sqrt($aa * $bb)}]
}

# SQLite's fault simulation, whose faults are tried one by one where debug is the
# configuration, and elsewhere every nth.  In tests/long a statement has up to 20,000: the
# steps grow there, 1 for the first 400, then 3, 5, 7 and so on.
proc load_faults {n} {
  uplevel #0 [list source $::testdir/malloc_common.tcl]
  switch [config] {
    debug return
    long { set ::next_fault { incr iFail [expr {$iFail / 400 * 2}] } }
    default { set ::next_fault "incr iFail [expr {$n - 1}]" }
  }
  rename do_faultsim_test do_each_faultsim_test
  proc do_faultsim_test {name args} {
    set prep {}
    catch { set prep [dict get $args -prep] }
    dict set args -prep "$::next_fault\n$prep"
    do_each_faultsim_test $name {*}$args
  }
}

# For -test of do_faultsim_test: the result is right or, when there was a fault, it is an
# error of the faults, which may stand behind the name of what was done.
set fault_errors {
  {out of memory} {disk I/O error} {database or disk is full} {interrupted}
  {unable to open database file} {locking protocol} {database is locked}
  {unable to open a temporary database file for storing temporary tables}
  {callback requested query abort} {cannot open file} {vtable constructor failed: *}
}
proc check_outcome {expected} {
  upvar testrc testrc testresult testresult testnfail testnfail
  if {$testrc == 0 && $testresult eq $expected} return
  if {$testrc && $testnfail} {
    foreach fault $::fault_errors {
      if {[string match "*$fault" $testresult]} return
    }
  }
  error "faults: $testnfail, code: $testrc, result: $testresult"
}

source $env(ATTN_TESTER)
