// rusqlite with its own SQLite: host LIBRARY FOLDER DATABASE
use rusqlite::{Connection, Result};

fn connect(library: &str, database: &str) -> Result<Connection> {
    let db = Connection::open(database)?;
    unsafe {
        db.load_extension_enable()?;
        db.load_extension(library, None)?;
    }
    db.load_extension_disable()?;
    Ok(db)
}

fn embed(db: &Connection) -> Result<String> {
    db.query_row("SELECT hex(embed('hello world'))", [], |row| row.get(0))
}

fn main() -> Result<()> {
    let a: Vec<String> = std::env::args().collect();
    let (library, folder, database) = (a[1].clone(), &a[2], a[3].clone());
    let db = connect(&library, &database)?;
    db.query_row("SELECT attn_import('m', ?1)", [folder], |row| row.get::<_, String>(0))?;
    db.execute_batch(
        "CREATE VIRTUAL TABLE notes USING attn(body);
         INSERT INTO notes(rowid, body) VALUES (1, 'the cat sat on the mat'),
           (2, 'stocks fell on monday'), (3, 'bread and butter')",
    )?;
    let (rowid, body): (i64, String) = db.query_row(
        "SELECT rowid, body FROM notes WHERE notes MATCH 'the cat sat' AND k = 1",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    println!("{rowid} {body}");
    let vector = embed(&db)?;
    println!("{vector}");
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (library, database, vector) = (library.clone(), database.clone(), vector.clone());
            std::thread::spawn(move || {
                let mine = connect(&library, &database).unwrap();
                (0..50).all(|_| embed(&mine).unwrap() == vector)
            })
        })
        .collect();
    let same = threads.into_iter().all(|t| t.join().unwrap());
    println!("{}", if same { &vector } else { "a thread differs" });
    db.close().map_err(|(_, e)| e)
}
