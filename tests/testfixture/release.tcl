# release.tcl - the verbs of SQLite's tester.tcl, as far as the tests use them,
# for a plain tclsh with libsqlite3-tcl: the extension under the library that
# people have, without fault injection and without test hooks.

package require sqlite3
rename sqlite3 sqlite_orig
set nTest 0
set nErr 0
file mkdir testdir
cd testdir

proc sqlite3 {name args} {
  uplevel 1 [list sqlite_orig $name {*}$args]
  set ::dbhandle $name
  uplevel #0 $::G(perm:dbconfig)
}
proc forcedelete {args} { foreach f $args { file delete -force {*}[glob -nocomplain -- $f] } }
proc forcecopy {from to} { file copy -force $from $to }
proc reset_db {} {
  catch {db close}
  forcedelete test.db test.db-journal test.db-wal
  sqlite3 db ./test.db
}
proc execsql {sql {db db}} { return [uplevel 1 [list $db eval $sql]] }
proc catchsql {sql {db db}} {
  set code [catch {uplevel 1 [list $db eval $sql]} result]
  return [list $code $result]
}
proc ifcapable {expression code args} { uplevel 1 $code }

proc matches {result expected} {
  switch -regexp -- $expected {
    {^~/.*/$} { return [expr {![regexp [string range $expected 2 end-1] $result]}] }
    {^/.*/$} { return [regexp [string range $expected 1 end-1] $result] }
    {^\*.*\*$} { return [string match $expected $result] }
  }
  return [expr {$result eq $expected}]
}
proc do_test {name script expected} {
  incr ::nTest
  if {[info exists ::testprefix] && [string is digit [string index $name 0]]} {
    set name $::testprefix-$name
  }
  if {[catch {uplevel #0 $script} result]} {
    puts "$name...\nError: $result"
  } elseif {![matches $result $expected]} {
    puts "! $name expected: \[$expected\]\n! $name got:      \[$result\]"
  } else {
    puts "$name... Ok"
    return
  }
  incr ::nErr
}
proc do_execsql_test {args} {
  set db db
  if {[lindex $args 0] eq "-db"} { set args [lassign $args - db] }
  lassign $args name sql expected
  do_test $name [list execsql $sql $db] [list {*}$expected]
}
proc do_catchsql_test {name sql expected} { do_test $name [list catchsql $sql] $expected }
proc finish_test {} {
  foreach db [info commands db*] { catch {$db close} }
  puts "$::nErr errors out of $::nTest tests"
  exit [expr {$::nErr > 0}]
}

reset_db
