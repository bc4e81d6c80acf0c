#!/usr/bin/env python3
"""Writes unicode_tables.c: what Hugging Face tokenizers 0.22 knows of each code point.

    python3 unicode_tables.py > unicode_tables.c        (needs tokenizers 0.22)

The library takes its Unicode data from several crates of different Unicode
versions (unicode-normalization-alignments: 9.0, unicode_categories: 8.0, Rust's
std and regex: newer), so the library itself is asked, one code point at a time:
what its normalizers and pre-tokenizers do with it is the property.  Only the
value of the canonical combining class, which Unicode never changes, is Python's.
"""
import sys
import unicodedata

from tokenizers import normalizers, pre_tokenizers

BLOCK, PAGE = 16, 32  # characters of a block, blocks of a page
HANGUL = range(0xAC00, 0xD7A4)  # decomposed by arithmetic
(SPACE, CONTROL, PUNCTUATION, WORD, MARK, NONSPACING, CJK, DECOMPOSES, LETTER,
 NUMBER) = (1 << i for i in range(10))


def bert(**on):
    off = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**off, **on}).normalize_str


clean, cjk, accents = bert(clean_text=True), bert(handle_chinese_chars=True), bert(strip_accents=True)
nfd = normalizers.NFD().normalize_str
lower = normalizers.Lowercase().normalize_str
strip_marks = normalizers.StripAccents().normalize_str
words = pre_tokenizers.Whitespace().pre_tokenize_str
punctuation = pre_tokenizers.Punctuation().pre_tokenize_str
gpt2 = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str


def describe(code):
    """(flags, canonical combining class, distance to the lower case) of a code point."""
    c = chr(code)
    inside = "a" + c + "b"
    pieces = [text for text, _ in words(inside)]
    decomposed = nfd(c)
    flags = 0
    flags |= SPACE if pieces == ["a", "b"] else 0
    flags |= WORD if pieces == [inside] else 0
    flags |= CONTROL if clean(inside) == "ab" else 0
    flags |= PUNCTUATION if len(punctuation(inside)) == 3 else 0
    flags |= MARK if strip_marks(c) == "" else 0
    flags |= NONSPACING if decomposed == c and accents(c) == "" else 0
    flags |= CJK if cjk(c) != c else 0
    flags |= DECOMPOSES if decomposed != c else 0
    flags |= LETTER if len(gpt2("a" + c)) == 1 else 0
    flags |= NUMBER if len(gpt2("1" + c)) == 1 else 0
    other = len(gpt2("!" + c)) == 1
    assert bool(flags & LETTER) + bool(flags & NUMBER) + bool(flags & SPACE) + other == 1
    # A mark of class 1 to 239 moves in front of U+0345, the one of class 240.
    moves = decomposed == c and nfd("\u0345" + c) == c + "\u0345" and c != "\u0345"
    ccc = unicodedata.combining(c) if moves or c == "\u0345" else 0
    small = lower(c)
    assert len(small) == 1 or (code, small) == (0x130, "i\u0307"), hex(code)
    return flags, ccc, ord(small[0]) - code


def rows(values, form, width=96):
    line = " "
    for value in values:
        item = " " + form % value + ","
        if len(line) + len(item) > width:
            yield line
            line = " "
        line += item
    yield line


def table(declaration, values, form="%d"):
    print("\n%s = {" % declaration)
    print("\n".join(rows(values, form)))
    print("};")


def main():
    points = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
    records, index = {}, [0] * 0x110000
    for code in points:
        index[code] = records.setdefault(describe(code), len(records))
    blocks, pages = {}, {}
    block = [blocks.setdefault(tuple(index[i : i + BLOCK]), len(blocks))
             for i in range(0, 0x110000, BLOCK)]
    page = [pages.setdefault(tuple(block[i : i + PAGE]), len(pages))
            for i in range(0, len(block), PAGE)]
    assert len(records) <= 256 and len(pages) <= 256
    parts = {c: nfd(chr(c)) for c in points if nfd(chr(c)) != chr(c) and c not in HANGUL}
    at, pool = [0], []
    for code in parts:  # in UTF-16
        units = parts[code].encode("utf-16-le")
        pool += [units[i] | units[i + 1] << 8 for i in range(0, len(units), 2)]
        at.append(len(pool))
    planes = [sum(code < plane << 16 for code in parts) for plane in range(18)]

    print("/*\n** unicode_tables.c - properties of code points; written by unicode_tables.py.\n*/")
    print('/* clang-format off */\n#include "unicode.h"')
    table("const attn_char attn_char_records[ATTN_N_CHAR_INDEX]", records, "{0x%03x, %d, %d}")
    table("const uint8_t attn_char_page[%d]" % len(page), page)
    table("const uint16_t attn_char_block[%d]" % (len(pages) * PAGE),
          [b for p in pages for b in p])
    table("const uint8_t attn_char_index_of[%d]" % (len(blocks) * BLOCK),
          [i for block in blocks for i in block])
    table("const uint16_t attn_decomposition_plane[18]", planes)
    table("const uint16_t attn_decomposition_of[%d]" % len(parts), [c & 0xFFFF for c in parts], "0x%X")
    table("const uint16_t attn_decomposition_at[%d]" % len(at), at)
    table("const uint16_t attn_decomposition_part[%d]" % len(pool), pool, "0x%X")
    print("%d records, %d blocks, %d pages, %d decompositions"
          % (len(records), len(blocks), len(pages), len(parts)),
          file=sys.stderr)


if __name__ == "__main__":
    main()
