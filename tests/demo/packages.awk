# packages.awk - records of apt's lists (Packages first, then Translation-en) to
# rows for sqlite3's `.import --ascii`: name, summary, description.
#
# Packages has "Package:" and "Tag:" (which goes on in lines that begin with a
# blank), Translation-en has "Package:", "Description-en:" and the description's
# lines, each after one blank, with " ." for an empty one.  An empty line ends a
# record.  Kept are programs that somebody has said the use of; with -v all=1,
# everything.

/^[^ ]/ { field = $1 }
/^Package: / { name = $2; tags = "" }
field == "Tag:" { tags = tags $0 }
/^Description-en: / { summary = substr($0, 17); description = ""; next }
field == "Description-en:" { description = description (/^ \.$/ ? "" : substr($0, 2)) "\n" }
/^$/ { end_of_record() }
END { end_of_record() }

function end_of_record() {
  if (tags ~ /role::program/ && tags ~ /use::|scope::application|game::/) wanted[name] = 1
  if (summary != "" && (all || name in wanted)) {
    printf "%s\037%s\037%s\036", name, summary, description
    delete wanted[name]
  }
  name = summary = field = ""
}
