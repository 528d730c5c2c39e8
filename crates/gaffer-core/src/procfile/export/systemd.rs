//! systemd units.

use super::ExportedFile;
use crate::{
    config::CommandLine,
    ini::shown,
    procfile::{Application, Concurrency, Instance, Mistake, Mistakes, command::for_shell, mistake::Gathered},
};

/// systemd units: a target, and a service for each process. They run as `user`, if one is given.
///
/// `systemctl start APP.target` starts all, and stopping it stops all. Every line goes through `/bin/sh`, which replaces variables
/// as the lines have them.
///
/// # Errors
/// As [`Application::instances`]; or what a unit cannot hold.
pub fn systemd(
    application: &Application,
    concurrency: &Concurrency,
    name: Option<&str>,
    user: Option<&str>,
) -> Result<Vec<ExportedFile>, Mistakes> {
    let names: Vec<String> = name.map(str::to_owned).into_iter().collect();
    let instances = application.instances(concurrency, &names)?;
    let mut mistakes = Gathered::default();
    let setting = Setting {
        application,
        target: unit_name(application.name().as_str(), "target"),
        folder: mistakes.take(folder(application)).unwrap_or_default(),
        user: mistakes.take(user.map(self::user).transpose()).flatten(),
    };
    check_variables(application, &mut mistakes);
    let services: Vec<ExportedFile> = instances.iter().map(|instance| setting.service(instance)).collect();
    let mut target = format!("[Unit]\nDescription={}\n", application.name());
    for service in &services {
        target.extend(["Wants=", &service.name, "\n"]);
    }
    target.push_str("\n[Install]\nWantedBy=multi-user.target\n");
    let mut files = vec![ExportedFile { name: setting.target, text: target }];
    files.extend(services);
    for file in files.iter().filter(|file| file.name.len() > MAX_NAME) {
        let problem = format!("`{}` is too long for the name of a unit; give a shorter one with --app", file.name);
        mistakes.push(Mistake::given(problem));
    }
    mistakes.or(files)
}

/// Longest name of a unit, in bytes.
const MAX_NAME: usize = 255;

/// What all services have in common.
struct Setting<'a> {
    application: &'a Application,
    target: String,
    /// As `WorkingDirectory` has it.
    folder: String,
    user: Option<&'a str>,
}

impl Setting<'_> {
    /// The service of one process.
    fn service(&self, instance: &Instance) -> ExportedFile {
        let application = self.application.name();
        let process = format!("{}.{}", instance.process_type, instance.number);
        let mut text = String::new();
        let mut line = |key: &str, value: &str| text.extend([key, "=", value, "\n"]);
        line("[Unit]\nDescription", &format!("{application}: {process}"));
        line("After", "network.target");
        line("PartOf", &self.target);
        // A process that keeps failing is started anew for ever, as gaffer does.
        line("StartLimitIntervalSec", "0");
        line("\n[Service]\nWorkingDirectory", &self.folder);
        if let Some(user) = self.user {
            line("User", user);
        }
        for (key, value) in instance.config.env() {
            line("Environment", &quoted(&format!("{key}={value}"), false));
        }
        line("ExecStart", &format!("/bin/sh -c {}", quoted(&self.script(instance), true)));
        line("Restart", "always");
        line("RestartSec", "1");
        line("TimeoutStopSec", "30");
        line("KillMode", "mixed");
        line("StandardInput", "null");
        line("SyslogIdentifier", &format!("{application}.{process}"));
        line("\n[Install]\nWantedBy", &self.target);
        let name = format!("{application}-{}-{}", instance.process_type, instance.number);
        ExportedFile { name: unit_name(&name, "service"), text }
    }

    /// What the shell runs.
    fn script(&self, instance: &Instance) -> String {
        let entry = self.application.procfile().get(&instance.process_type);
        match (instance.config.command(), entry) {
            (CommandLine::Shell(line), _) => line.clone(),
            // A line that is only words means the same to a shell, which makes way for the program.
            (CommandLine::Words(words), Some(entry)) if !words.first().is_some_and(|word| word.starts_with('-')) => {
                format!("exec {}", entry.command)
            }
            // `exec` would take the program for an option of its own.
            (CommandLine::Words(_), entry) => entry.map(|entry| for_shell(&entry.command)).unwrap_or_default(),
        }
    }
}

/// A name as units may have it: other characters are escaped as `systemd-escape` does.
fn unit_name(name: &str, kind: &str) -> String {
    let mut unit = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"_-.".contains(&byte) {
            unit.push(char::from(byte));
        } else {
            unit.push_str(&format!("\\x{byte:02x}"));
        }
    }
    format!("{unit}.{kind}")
}

/// A value in double quotes. In commands systemd replaces variables, unless their `$` is doubled; `%` it replaces everywhere.
fn quoted(value: &str, is_command: bool) -> String {
    let mut quoted = String::from('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '%' => quoted.push_str("%%"),
            '$' if is_command => quoted.push_str("$$"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(control))),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// The application's folder as a setting that knows no quotes.
fn folder(application: &Application) -> Result<String, Mistake> {
    let root = application.root();
    let text = root.to_str().filter(|text| !text.contains(|c: char| c.is_ascii_control())).ok_or_else(|| {
        let shown = shown(&root.to_string_lossy());
        Mistake::given(format!("the folder `{shown}`: a unit cannot hold its name; rename it"))
    })?;
    // Without the slash a blank would be cut off, and a backslash would continue the line.
    let end = if text.ends_with(|c: char| c.is_whitespace() || c == '\\') { "/" } else { "" };
    Ok(text.replace('%', "%%") + end)
}

fn user(user: &str) -> Result<&str, Mistake> {
    let is_first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_fine = |c: char| is_first(c) || c == '-' || c == '.';
    if user.starts_with(is_first) && user.strip_suffix('$').unwrap_or(user).chars().all(is_fine) {
        Ok(user)
    } else {
        Err(Mistake::given(format!("--user: `{}` cannot be the name of a user in a unit", shown(user))))
    }
}

/// Looks for variables that systemd leaves out.
fn check_variables(application: &Application, mistakes: &mut Gathered) {
    for (key, value) in application.env() {
        let problem = if key.contains(['.', '-']) {
            "systemd knows no variables with `.` or `-` in their names; rename it"
        } else if value.contains(|c: char| c.is_ascii_control() && !"\t\n".contains(c)) {
            "systemd knows no variables with control characters other than tabs and line feeds; remove them"
        } else {
            continue;
        };
        let place = application.place_of(key).cloned();
        mistakes.push(Mistake { place, problem: format!("`{key}`: {problem}") });
    }
}
