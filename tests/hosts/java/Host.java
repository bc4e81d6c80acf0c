// xerial's JDBC driver: java -cp sqlite-jdbc.jar:... Host.java LIBRARY FOLDER DATABASE
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.ArrayList;
import java.util.List;
import org.sqlite.SQLiteConfig;

public class Host {
  static Connection connect(String library, String database) throws Exception {
    SQLiteConfig config = new SQLiteConfig();
    config.enableLoadExtension(true);
    Connection db = config.createConnection("jdbc:sqlite:" + database);
    try (PreparedStatement s = db.prepareStatement("SELECT load_extension(?)")) {
      s.setString(1, library);
      s.execute();
    }
    return db;
  }

  static String embed(Connection db) throws Exception {
    try (Statement s = db.createStatement();
         ResultSet r = s.executeQuery("SELECT hex(embed('hello world'))")) {
      return r.getString(1);
    }
  }

  public static void main(String[] a) throws Exception {
    Connection db = connect(a[0], a[2]);
    try (PreparedStatement s = db.prepareStatement("SELECT attn_import('m', ?)")) {
      s.setString(1, a[1]);
      s.executeQuery().close();
    }
    try (Statement s = db.createStatement()) {
      s.execute("CREATE VIRTUAL TABLE notes USING attn(body)");
      s.execute("INSERT INTO notes(rowid, body) VALUES (1, 'the cat sat on the mat'),"
          + " (2, 'stocks fell on monday'), (3, 'bread and butter')");
      try (ResultSet r = s.executeQuery(
               "SELECT rowid, body FROM notes WHERE notes MATCH 'the cat sat' AND k = 1")) {
        System.out.println(r.getLong(1) + " " + r.getString(2));
      }
    }
    String vector = embed(db);
    System.out.println(vector);
    ExecutorService pool = Executors.newFixedThreadPool(4);
    List<Future<Boolean>> all = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      all.add(pool.submit(() -> {
        try (Connection mine = connect(a[0], a[2])) {
          for (int k = 0; k < 50; k++) if (!embed(mine).equals(vector)) return false;
        }
        return true;
      }));
    }
    boolean same = true;
    for (Future<Boolean> f : all) same &= f.get();
    pool.shutdown();
    System.out.println(same ? vector : "a thread differs");
    db.close();
  }
}
