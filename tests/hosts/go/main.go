// mattn/go-sqlite3, with cgo: main LIBRARY FOLDER DATABASE
package main

import (
	"database/sql"
	"fmt"
	"log"
	"os"
	"sync"

	sqlite3 "github.com/mattn/go-sqlite3"
)

const text = "SELECT hex(embed('hello world'))"

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func embed(db *sql.DB) (vector string) {
	must(db.QueryRow(text).Scan(&vector))
	return
}

func main() {
	library, folder, database := os.Args[1], os.Args[2], os.Args[3]
	sql.Register("attn", &sqlite3.SQLiteDriver{Extensions: []string{library}})
	db, err := sql.Open("attn", database)
	must(err)
	var name, body string
	var rowid int64
	must(db.QueryRow("SELECT attn_import('m', ?)", folder).Scan(&name))
	_, err = db.Exec("CREATE VIRTUAL TABLE notes USING attn(body)")
	must(err)
	_, err = db.Exec("INSERT INTO notes(rowid, body) VALUES (1, 'the cat sat on the mat')," +
		" (2, 'stocks fell on monday'), (3, 'bread and butter')")
	must(err)
	must(db.QueryRow("SELECT rowid, body FROM notes WHERE notes MATCH 'the cat sat' AND k = 1").Scan(&rowid, &body))
	fmt.Println(rowid, body)
	vector := embed(db)
	fmt.Println(vector)
	var wait sync.WaitGroup
	var lock sync.Mutex
	same := true
	for i := 0; i < 4; i++ {
		wait.Add(1)
		go func() { // database/sql opens a connection for each
			defer wait.Done()
			for k := 0; k < 50; k++ {
				v := embed(db)
				lock.Lock()
				same = same && v == vector
				lock.Unlock()
			}
		}()
	}
	wait.Wait()
	if !same {
		vector = "a thread differs"
	}
	fmt.Println(vector)
	must(db.Close())
}
