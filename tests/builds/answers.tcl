# answers.tcl - prints what the examples of tests/surface.tcl give, a line each: its
# name, 0 for a result or 1 for an error, and that.  tests/parts/builds compares.
#
# The database is made here, and where that is an error it is ATTN_MADE, which the ordinary
# SQLite has made.
source [file join [file dirname [info script]] .. common.tcl]
source $tests_dir/surface.tcl

proc answer {name sql} { puts [string map {\n " "} [linsert [catchsql $sql] 0 $name]] }

# Runs it, and shows what it has made of the indexes.
proc answers {name sql} {
  set before [db total_changes]
  answer $name $sql
  forcedelete exported
  if {[db total_changes] == $before} return
  answer $name.v { INSERT INTO v(v) VALUES ('integrity-check');
                   SELECT rowid, distance FROM v('[1,2,3]') WHERE year < 3 }
  answer $name.ai { SELECT rowid, distance FROM ai('some') }
}

set failed [catch surface_database message]
puts [list database $failed [expr {$failed ? $message : ""}]]
db close
if {$failed} {
  forcedelete test.db
  forcecopy $env(ATTN_MADE) test.db
} elseif {![file exists $env(ATTN_MADE)]} {
  forcecopy test.db $env(ATTN_MADE)
}
sqlite3 db ./test.db
foreach {name sql} $examples {
  catch { db eval { SAVEPOINT example } }
  answers $name.[incr n] $sql
  catch { db eval { ROLLBACK TO example; RELEASE example } }
}
# The same, kept.
foreach {name sql} $examples {
  if {![regexp {DROP|drop|rename} $sql]} { answers $name.[incr n] $sql }
}
db close
sqlite3 db ./test.db
db enable_load_extension 1
answer again { SELECT load_extension($::env(ATTN_SO)) }
answer pages { PRAGMA integrity_check }
answer ai { INSERT INTO ai(ai) VALUES ('integrity-check'); SELECT rowid, distance FROM ai('some') }
answer models { SELECT name, dimension, sha256 FROM attn_models }
answer embed { SELECT quote(embed(body, 'tiny')) FROM docs }
puts "end 0 {}"
exit
