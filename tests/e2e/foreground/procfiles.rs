//! Lines as public projects have them in their Procfiles, rewritten: each is run, and what its program was given is looked at.

use std::fmt::Write;

use gaffer_tests::{Client, Project};

use super::printed;

/// Prints its name, its arguments, each in angle brackets, and the variable that some lines set.
const PROGRAM: &str = r#"printf '%s' "${0##*/}"
printf ' <%s>' "$@"
printf ' [%s]\n' "$NODE_ENV"
"#;

const PROGRAMS: [&str; 17] = [
    "bin/bundle",
    "bin/rails",
    "bin/gunicorn",
    "bin/java",
    "bin/node",
    "bin/npm",
    "bin/redis-server",
    "bin/python",
    "bin/mix",
    "bin/celery",
    "bin/esbuild",
    "bin/puma",
    "bin/tail",
    "bin/env-show",
    "bin/start nginx",
    "target/release/server",
    "vendor/bin/heroku-php-apache2",
];

/// Variables as such projects have them in their `.env`.
const ENV: &str = r#"
# Local settings
RACK_ENV=development
JAVA_OPTS="-Xms64m -Xmx512m"
export WEB_CONCURRENCY=3
DATABASE_URL=postgres://shop:s3cr3t@localhost:5432/shop?sslmode=disable&pool=5
GREETING='it costs $5'
PATTERN=*.rb
EMPTY=
"#;

/// The same, for programs that do not read it.
const VARIABLES: [(&str, &str); 7] = [
    ("RACK_ENV", "development"),
    ("JAVA_OPTS", "-Xms64m -Xmx512m"),
    ("WEB_CONCURRENCY", "3"),
    ("DATABASE_URL", "postgres://shop:s3cr3t@localhost:5432/shop?sslmode=disable&pool=5"),
    ("GREETING", "it costs $5"),
    ("PATTERN", "*.rb"),
    ("EMPTY", ""),
];

/// A line, and what its program says; `{PORT}` stands for the type's port, `{PORT+1}` for the next.
const SHAPES: [(&str, &[&str]); 32] = [
    // Rails.
    (
        "bundle exec puma -t 5:5 -p ${PORT:-3000} -e ${RACK_ENV:-production}",
        &["bundle <exec> <puma> <-t> <5:5> <-p> <{PORT}> <-e> <development> []"],
    ),
    (
        "bundle exec sidekiq -C config/sidekiq.yml -q default,5 -q mailers,2",
        &["bundle <exec> <sidekiq> <-C> <config/sidekiq.yml> <-q> <default,5> <-q> <mailers,2> []"],
    ),
    ("NODE_ENV=test bin/rails server -b 0.0.0.0", &["rails <server> <-b> <0.0.0.0> [test]"]),
    ("bin/rails runner 'puts \"a #{1 + 1}\"'", &["rails <runner> <puts \"a #{1 + 1}\"> []"]),
    // Django, Flask, Celery.
    (
        "gunicorn shop.wsgi --log-file - --workers $WEB_CONCURRENCY",
        &["gunicorn <shop.wsgi> <--log-file> <-> <--workers> <3> []"],
    ),
    (
        "gunicorn 'shop:create_app(\"prod\")' --bind=0.0.0.0:$PORT",
        &["gunicorn <shop:create_app(\"prod\")> <--bind=0.0.0.0:{PORT}> []"],
    ),
    ("celery -A shop worker -l info -n worker@%h", &["celery <-A> <shop> <worker> <-l> <info> <-n> <worker@%h> []"]),
    ("python -u -c \"import sys; print('hi')\"", &["python <-u> <-c> <import sys; print('hi')> []"]),
    ("python manage.py runserver 0.0.0.0:${PORT}", &["python <manage.py> <runserver> <0.0.0.0:{PORT}> []"]),
    // Java: options that are several words, and options that are not set.
    (
        "java $JAVA_OPTS -Dserver.port=$PORT -jar target/app.jar",
        &["java <-Xms64m> <-Xmx512m> <-Dserver.port={PORT}> <-jar> <target/app.jar> []"],
    ),
    ("java $NOT_SET_OPTS -jar target/app.jar", &["java <-jar> <target/app.jar> []"]),
    ("java -jar target/*.jar", &["java <-jar> <target/app.jar> []"]),
    ("java \"$JAVA_OPTS\" $EMPTY \"$EMPTY\"", &["java <-Xms64m -Xmx512m> <> []"]),
    // Node.
    (
        "NODE_ENV=production node --max-old-space-size=460 server.js",
        &["node <--max-old-space-size=460> <server.js> [production]"],
    ),
    ("env NODE_ENV=production node server.js", &["node <server.js> [production]"]),
    ("npm start --prefix client -- --port=$PORT", &["npm <start> <--prefix> <client> <--> <--port={PORT}> []"]),
    ("esbuild src/*.js --bundle --outdir=public", &["esbuild <src/a.js> <src/b.js> <--bundle> <--outdir=public> []"]),
    // PHP, Elixir, Go, Rust.
    ("vendor/bin/heroku-php-apache2 -C apache.conf public/", &["heroku-php-apache2 <-C> <apache.conf> <public/> []"]),
    ("mix phx.server", &["mix <phx.server> []"]),
    (
        "./target/release/server --database \"$DATABASE_URL\"",
        &["server <--database> <postgres://shop:s3cr3t@localhost:5432/shop?sslmode=disable&pool=5> []"],
    ),
    (
        "./target/release/server --database $DATABASE_URL",
        &["server <--database> <postgres://shop:s3cr3t@localhost:5432/shop?sslmode=disable&pool=5> []"],
    ),
    // Shell: exec, &&, ||, pipes, folders, comments, quotes within quotes, escapes.
    ("exec redis-server --port 6379", &["redis-server <--port> <6379> []"]),
    ("cd src && exec node ../server.js", &["node <../server.js> []"]),
    ("false || puma -p $((PORT + 1))", &["puma <-p> <{PORT+1}> []"]),
    ("tail -n 1 log/development.log | sed 's/^/log: /'", &["log: tail <-n> <1> <log/development.log> []"]),
    ("mix ecto.migrate > /dev/null 2>&1; mix phx.server # the web", &["mix <phx.server> []"]),
    ("sh -c 'for n in 1 2; do env-show \"$n\"; done'", &["env-show <1> []", "env-show <2> []"]),
    (
        "bin/start\\ nginx \"say \\\"hi\\\"\" it\\'s '$PORT' \"$GREETING\" \"$PATTERN\"",
        &["start nginx <say \"hi\"> <it's> <$PORT> <it costs $5> <*.rb> []"],
    ),
    ("env-show `echo one two` $(cat VERSION)", &["env-show <one> <two> <1.2.3> []"]),
    ("if [ -n \"$RACK_ENV\" ]; then env-show yes; else env-show no; fi", &["env-show <yes> []"]),
    (
        "env-show ${EMPTY:-none} ${NOT_SET-unset} ${RACK_ENV%ment} a=b ~root",
        &["env-show <none> <unset> <develop> <a=b> </root> []"],
    ),
    ("{ env-show 1; env-show 2; } | sort -r", &["env-show <2> []", "env-show <1> []"]),
];

fn project() -> Project {
    let project = Project::empty();
    for program in PROGRAMS {
        project.script(program, PROGRAM);
    }
    for file in ["src/a.js", "src/b.js", "log/development.log", "target/app.jar"] {
        project.file(file, "");
    }
    project.file("VERSION", "1.2.3\n");
    project.file(".env", ENV);
    project
}

/// The name of the type that a shape is, and what it prints.
fn expected(index: usize) -> (String, Vec<String>) {
    let port = 5000 + 100 * index;
    let (port, next) = (port.to_string(), (port + 1).to_string());
    let prints = SHAPES[index].1.iter().map(|line| line.replace("{PORT}", &port).replace("{PORT+1}", &next));
    (format!("shape-{index:02}"), prints.collect())
}

fn procfile() -> String {
    SHAPES.iter().enumerate().fold(String::new(), |mut text, (index, (line, _))| {
        // With a comment, blanks around the line and a blank line behind it, as people have them.
        writeln!(text, "# {line}\n{}:   {line}  \n", expected(index).0).unwrap();
        text
    })
}

#[test]
fn lines_of_real_procfiles_run_as_a_shell_runs_them() {
    let project = project();
    project.file("Procfile", &procfile());
    let said = project.gaffer().run(&["start", "--exit-on-failure"]);
    assert_eq!(said.code, 0, "{said}");
    assert_eq!(said.stderr, "", "{said}");
    for (index, (line, _)) in SHAPES.iter().enumerate() {
        let (name, prints) = expected(index);
        assert_eq!(printed(&said.stdout, &name), prints, "{line}: {said}");

        let port = (5000 + 100 * index).to_string();
        let shell = project.program("sh").env("PORT", port);
        let shell = VARIABLES.iter().fold(shell, |shell, (name, value)| Client::env(shell, name, value));
        let shell = shell.run(&["-c", line]);
        assert_eq!((shell.code, shell.stdout.lines().collect::<Vec<_>>()), (0, printed(&said.stdout, &name)), "{line}");
    }
}

#[test]
fn a_line_is_a_one_off_by_its_name() {
    let project = project();
    project.file("Procfile", &procfile());
    for (index, (line, _)) in SHAPES.iter().enumerate() {
        let (name, prints) = expected(index);
        let said = project.gaffer().run(&["run", &name]);
        assert_eq!(
            (said.code, said.stdout.lines().collect::<Vec<_>>()),
            (0, prints.iter().map(String::as_str).collect()),
            "{line}: {said}"
        );
    }
}
