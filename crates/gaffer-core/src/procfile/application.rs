//! A Procfile with all that belongs to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    io,
    path::{self, Component, Path, PathBuf},
};

use super::{
    Concurrency, Entry, EnvSource, Form, Mistake, Mistakes, Procfile,
    env::{self, Variable, Variables},
    mistake::Gathered,
    text,
};
use crate::{
    config::{Args, InvalidConfig, JobConfig, JobSpec, suggest},
    ini::{Place, shown},
    names::{JobName, SessionId, StreamLabel},
};

/// The first port, where nothing says otherwise.
const DEFAULT_PORT: u16 = 5000;
/// How far the ports of two types are apart.
const PORTS_A_TYPE: u32 = 100;

/// What a one-off is called that is none of the Procfile's.
const ONE_OFF: &str = "run";

/// What was said of an application on the command line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// The application's folder; by default that of the Procfile.
    pub directory: Option<PathBuf>,
    /// The Procfile, from `directory` on; by default `Procfile`.
    pub procfile: Option<PathBuf>,
    /// More variables than those of the `.env` beside the Procfile; later ones win.
    pub env: Vec<EnvSource>,
    /// The application's name; by default, and for `.`, that of its folder.
    pub name: Option<String>,
    /// The first port to give away; by default `PORT` of the variables, else of the environment, else 5000.
    pub port: Option<u16>,
}

impl Source {
    /// The application's name: the manual's `get_appname`. Reads nothing but the name of the folder: there need not be a Procfile.
    ///
    /// # Errors
    /// When it cannot be a session's name.
    pub fn name(&self) -> Result<SessionId, Mistakes> {
        let (name, what) = match self.name.as_deref() {
            None | Some(".") => {
                let root = self.root()?;
                let name = root.file_name().map(|name| name.to_string_lossy().into_owned());
                let unnamed = || Mistake::given("the application's folder has no name; give one with --app");
                (name.ok_or_else(unnamed)?, "the folder's name cannot be an application's; give one with --app: ")
            }
            Some(name) => (name.to_owned(), "--app: "),
        };
        name.parse().map_err(|error| Mistake::given(format!("{what}{error}")).into())
    }

    /// The Procfile, if there is one: applications on a node can be looked at from anywhere.
    ///
    /// # Errors
    /// All mistakes in it. That there is none is an error only if one was named.
    pub fn procfile(&self) -> Result<Option<Procfile>, Mistakes> {
        let path = self.procfile_path();
        match text::load(&path) {
            Ok(bytes) => Procfile::from_bytes(path, &bytes).map(Some),
            Err(error) if is_missing(&error) && self.procfile.is_none() => Ok(None),
            Err(error) => Err(unreadable_procfile(&path, &error).into()),
        }
    }

    fn procfile_path(&self) -> PathBuf {
        let file = self.procfile.as_deref().unwrap_or(Path::new("Procfile"));
        self.directory.as_deref().map_or_else(|| file.to_owned(), |directory| directory.join(file))
    }

    /// The application's folder, as an absolute path without `.` and `..`.
    fn root(&self) -> Result<PathBuf, Mistake> {
        let folder = match &self.directory {
            Some(directory) => directory.clone(),
            None => self.procfile_path().parent().map(Path::to_owned).unwrap_or_default(),
        };
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let failed =
            |error: io::Error| Mistake::at(Place::new(folder.as_path(), 0), format!("cannot be found: {error}"));
        let absolute = path::absolute(&folder).map_err(failed)?;
        // Links are kept, as their names are those that people know; but `..` is behind where they lead to.
        if absolute.components().any(|part| part == Component::ParentDir) {
            absolute.canonicalize().map_err(failed)
        } else {
            Ok(absolute.components().collect())
        }
    }
}

/// Whether an error says that there is no such file.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn unreadable_procfile(path: &Path, error: &io::Error) -> Mistake {
    if is_missing(error) {
        let problem = "is not there; name the Procfile with --procfile, or its folder with --directory";
        Mistake::at(Place::new(path, 0), problem)
    } else {
        text::unreadable(path, error)
    }
}

/// A Procfile with its variables, read and checked as a whole.
#[derive(Clone, Debug)]
pub struct Application {
    name: SessionId,
    root: PathBuf,
    procfile: Procfile,
    env: BTreeMap<String, String>,
    /// Where the variables stand.
    places: BTreeMap<String, Place>,
    /// What processes in the foreground find in their environment besides.
    inherited: BTreeMap<OsString, OsString>,
    /// The types whose stdin can be written to.
    redirect_input: BTreeSet<String>,
    warnings: Vec<Mistake>,
    port: u16,
}

/// One process of an application, as it runs in the foreground.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its type.
    pub process_type: String,
    /// Which of its type it is, from 1.
    pub number: u32,
    /// What it finds in `PORT`.
    pub port: u16,
    /// How it is launched: one process. `PS` and `PORT` are in its `env`. Its name is `app.web` if it is the only one of its
    /// type, else `app.web@2`.
    pub config: JobConfig,
}

impl Instance {
    /// What a person reads: `web` if it is the only one of its type, else `web.2`.
    pub fn label(&self) -> String {
        self.config.name().name().replace('@', ".")
    }
}

impl Application {
    /// Reads the files that are meant. `environment` is that of the caller, for `PORT`, and to tell whether a line needs a shell.
    ///
    /// # Errors
    /// All mistakes in all files at once; a Procfile that is not there is one.
    pub fn read(source: &Source, environment: &BTreeMap<OsString, OsString>) -> Result<Self, Mistakes> {
        let mut mistakes = Gathered::default();
        let name = mistakes.take(source.name());
        let root = mistakes.take(source.root());
        if let Some(root) = root.as_deref().filter(|_| source.directory.is_some()).filter(|root| !root.is_dir()) {
            mistakes.push(Mistake::at(Place::new(root, 0), "is not a folder; name the application's with --directory"));
        }
        let path = source.procfile_path();
        let procfile = text::load(&path)
            .map_err(|error| unreadable_procfile(&path, &error).into())
            .and_then(|bytes| Procfile::from_bytes(path.as_path(), &bytes));
        let procfile = mistakes.take(procfile);
        let mut variables = variables(source, &path, &mut mistakes);
        let port = mistakes.take(base_port(source, variables.remove("PORT"), environment));
        variables.remove("PS");
        let (name, root, procfile, port) = match (name, root, procfile, port) {
            (Some(name), Some(root), Some(procfile), Some(port)) => (name, root, procfile, port),
            _ => return Err(mistakes.into_mistakes()),
        };
        let mut warnings = procfile.warnings().to_vec();
        let redirect_input = redirect_input(&procfile, &variables, environment, &mut warnings);
        let places = variables.iter().filter_map(|(key, variable)| Some((key.clone(), variable.place.clone()?)));
        let application = Self {
            name,
            root,
            places: places.collect(),
            env: variables.into_iter().map(|(key, variable)| (key, variable.value)).collect(),
            inherited: environment.clone(),
            redirect_input,
            warnings,
            port,
            procfile,
        };
        for (position, entry) in application.procfile.entries().iter().enumerate() {
            mistakes.take(application.job(position, entry, port, &Concurrency::default()));
        }
        mistakes.or(application)
    }

    /// The session that it is on a node.
    pub fn name(&self) -> &SessionId {
        &self.name
    }

    /// Its folder, as an absolute path: processes run there.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The Procfile.
    pub fn procfile(&self) -> &Procfile {
        &self.procfile
    }

    /// Its variables, without `PORT` and `PS`, which each process gets for itself.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// What was read but may not be meant.
    pub fn warnings(&self) -> &[Mistake] {
        &self.warnings
    }

    /// The port of the first process of a type: 100 apart, in the order of the Procfile. None for a type that there is not, and
    /// beyond the last port.
    pub fn port(&self, process_type: &str) -> Option<u16> {
        let position = self.procfile.entries().iter().position(|entry| entry.name == process_type)?;
        u16::try_from(self.first_port(position)).ok()
    }

    /// One job for each type, for a node: `app.web` with so many processes, which all get the type's port.
    ///
    /// # Errors
    /// Types that are not in the Procfile; ports and numbers that are too large; lines that cannot be run.
    pub fn jobs(&self, concurrency: &Concurrency) -> Result<Vec<JobConfig>, Mistakes> {
        let mut mistakes = Gathered::default();
        self.check_names(concurrency.names(), &mut mistakes);
        let mut jobs = Vec::new();
        for (position, entry) in self.procfile.entries().iter().enumerate() {
            let port = self.nth_port(position, &entry.name, 1);
            let job = port.map_err(Mistakes::from).and_then(|port| self.job(position, entry, port, concurrency));
            jobs.extend(mistakes.take(job));
        }
        mistakes.or(jobs)
    }

    /// One job for each process, for the foreground: of the types named, or of all if none is.
    ///
    /// # Errors
    /// As [`jobs`](Self::jobs).
    pub fn instances(&self, concurrency: &Concurrency, names: &[String]) -> Result<Vec<Instance>, Mistakes> {
        let mut mistakes = Gathered::default();
        self.check_names(names.iter().map(String::as_str), &mut mistakes);
        self.check_names(concurrency.names(), &mut mistakes);
        let mut instances = Vec::new();
        for (position, entry) in self.procfile.entries().iter().enumerate() {
            if !names.is_empty() && !names.contains(&entry.name) {
                continue;
            }
            let total = concurrency.of(&entry.name);
            for number in 1..=total {
                let name = if total == 1 { entry.name.clone() } else { format!("{}@{number}", entry.name) };
                let instance = self.nth_port(position, &entry.name, number).map_err(Mistakes::from).and_then(|port| {
                    let place = Some(self.procfile.place(entry));
                    self.instance(entry, place, Numbers { number, port, priority: to_u32(position) }, &name)
                });
                let Some(instance) = mistakes.take(instance) else {
                    break; // The others of this type would have the same mistake.
                };
                instances.push(instance);
            }
        }
        let mut takers = BTreeMap::new();
        for instance in &instances {
            if let Some(other) = takers.insert(instance.port, &instance.process_type) {
                let (port, one) = (instance.port, &instance.process_type);
                let problem = format!(
                    "`{other}` and `{one}` would both have port {port}; run at most {PORTS_A_TYPE} of `{other}`"
                );
                mistakes.push(Mistake::given(problem));
                break; // The others of these types have the same.
            }
        }
        mistakes.or(instances)
    }

    /// A process of none of its types, in its environment: a one-off, called `app.NAME@NUMBER`.
    ///
    /// Its port is the application's first one for number 1, and so on: what the variables say holds for one-offs too.
    ///
    /// # Errors
    /// When the command cannot be run.
    pub fn one_off(&self, entry: &Entry, number: u32) -> Result<Instance, Mistakes> {
        let place = (self.procfile.get(&entry.name) == Some(entry)).then(|| self.procfile.place(entry));
        let port = self.nth_port(0, &entry.name, number)?;
        self.instance(entry, place, Numbers { number, port, priority: 0 }, &format!("{}@{number}", entry.name))
    }

    /// A process that runs these words as they are, in the environment of the application: a one-off, called `app.run@NUMBER`.
    ///
    /// # Errors
    /// When the command cannot be run.
    pub fn command(&self, words: &[String], number: u32) -> Result<Instance, Mistakes> {
        let port = self.nth_port(0, ONE_OFF, number)?;
        let env = self.instance_env(ONE_OFF, number, port);
        let wrong = |problem: String| Mistake::given(format!("`{ONE_OFF}`: {problem}"));
        // A shell has done what there is to be done with them.
        let words = words.iter().map(|word| word.replace('$', "$$")).collect();
        let name = format!("{ONE_OFF}@{number}");
        let mut spec = self.spec(Form::Words(words), &name, env, wrong)?;
        spec.priority = Some(0);
        let config = checked(spec, wrong)?;
        Ok(Instance { process_type: ONE_OFF.to_owned(), number, port, config })
    }

    /// Where a variable stands; none if that is the command line.
    pub(super) fn place_of(&self, variable: &str) -> Option<&Place> {
        self.places.get(variable)
    }

    /// Checks that there are types of these names.
    pub(super) fn check_types<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<(), Mistakes> {
        let mut mistakes = Gathered::default();
        self.check_names(names.into_iter(), &mut mistakes);
        mistakes.or(())
    }

    /// The port of the first process of the type at a position; may be none that there is.
    fn first_port(&self, position: usize) -> u32 {
        u32::from(self.port).saturating_add(PORTS_A_TYPE.saturating_mul(to_u32(position)))
    }

    fn nth_port(&self, position: usize, name: &str, number: u32) -> Result<u16, Mistake> {
        let port = self.first_port(position).saturating_add(number.saturating_sub(1));
        port.try_into().map_err(|_| {
            Mistake::given(format!(
                "`{name}`: the port of process {number} would be {port}, but {} is the last; give a lower --port or PORT, or run fewer",
                u16::MAX
            ))
        })
    }

    fn check_names<'a>(&self, names: impl Iterator<Item = &'a str>, mistakes: &mut Gathered) {
        let known = || self.procfile.entries().iter().map(|entry| entry.name.as_str());
        for name in names.filter(|name| self.procfile.get(name).is_none()) {
            let cure = match near(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
            };
            let problem = format!("`{}` is no process type of the Procfile; {cure}", shown(name));
            mistakes.push(Mistake::at(Place::new(self.procfile.path(), 0), problem));
        }
    }

    fn job(&self, position: usize, entry: &Entry, port: u16, concurrency: &Concurrency) -> Result<JobConfig, Mistakes> {
        let env = with(&self.env, [("PORT", port.to_string())]);
        let wrong = wrong_entry(entry, Some(self.procfile.place(entry)));
        let form = Form::of(&entry.command, &env, &BTreeMap::new()).map_err(|error| wrong(error.to_string()))?;
        let mut spec = self.spec(form, &entry.name, env, &wrong)?;
        spec.numprocesses = concurrency.of(&entry.name);
        spec.priority = Some(to_u32(position));
        spec.redirect_input = self.redirect_input.contains(&entry.name);
        checked(spec, wrong)
    }

    fn instance(
        &self,
        entry: &Entry,
        place: Option<Place>,
        numbers: Numbers,
        name: &str,
    ) -> Result<Instance, Mistakes> {
        let Numbers { number, port, priority } = numbers;
        let env = self.instance_env(&entry.name, number, port);
        let wrong = wrong_entry(entry, place);
        let form = Form::of(&entry.command, &env, &self.inherited).map_err(|error| wrong(error.to_string()))?;
        let mut spec = self.spec(form, name, env, &wrong)?;
        spec.priority = Some(priority);
        let config = checked(spec, wrong)?;
        Ok(Instance { process_type: entry.name.clone(), number, port, config })
    }

    fn instance_env(&self, process_type: &str, number: u32, port: u16) -> BTreeMap<String, String> {
        with(&self.env, [("PORT", port.to_string()), ("PS", format!("{process_type}.{number}"))])
    }

    /// What all jobs of the application have in common.
    fn spec(
        &self,
        form: Form,
        name: &str,
        env: BTreeMap<String, String>,
        wrong: impl Fn(String) -> Mistake,
    ) -> Result<JobSpec, Mistakes> {
        let name = JobName::new(self.name.clone(), name).map_err(|error| wrong(error.to_string()))?;
        let mut spec = JobSpec::new(name, String::new());
        match form {
            Form::Shell(line) => {
                spec.cmd = Some(line);
                spec.shell = true;
            }
            Form::Words(words) => {
                let mut words = words.into_iter();
                let program = words.next().unwrap_or_default();
                // It is split as a shell would, and so must be one word for that.
                let quoted = shlex::try_quote(&program).map_err(|error| wrong(error.to_string()))?;
                spec.cmd = Some(quoted.into_owned());
                let args: Vec<String> = words.collect();
                spec.args = (!args.is_empty()).then_some(Args::List(args));
            }
        }
        spec.env = env;
        spec.cwd = Some(self.root.clone());
        let label = |label: &str| label.parse::<StreamLabel>().map_err(|error| wrong(error.to_string()));
        spec.redirect_output = vec![label("out")?, label("err")?];
        Ok(spec)
    }
}

/// Which of its type a process is, and what follows from that.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    number: u32,
    port: u16,
    priority: u32,
}

/// How a problem of a line is told.
fn wrong_entry(entry: &Entry, place: Option<Place>) -> impl Fn(String) -> Mistake {
    move |problem| Mistake { place: place.clone(), problem: format!("`{}`: {problem}", entry.name) }
}

/// Holds the fields against each other.
fn checked(spec: JobSpec, wrong: impl Fn(String) -> Mistake) -> Result<JobConfig, Mistakes> {
    spec.check()
        .map_err(|InvalidConfig(errors)| Mistakes(errors.into_iter().map(|error| wrong(error.to_string())).collect()))
}

/// The variables of all sources.
fn variables(source: &Source, procfile: &Path, mistakes: &mut Gathered) -> Variables {
    let mut variables = Variables::new();
    let beside = procfile.with_file_name(".env");
    match text::load(&beside) {
        Ok(bytes) => env::parse(&beside, &bytes, &mut variables, mistakes),
        // Python's virtual environments are often in a folder of that name.
        Err(error) if is_missing(&error) || error.kind() == io::ErrorKind::IsADirectory => {}
        Err(error) => mistakes.push(text::unreadable(&beside, &error)),
    }
    for source in &source.env {
        match source {
            EnvSource::File(file) => env::read(file, &mut variables, mistakes),
            EnvSource::Pair(key, value) => {
                variables.insert(key.clone(), Variable { value: value.clone(), place: None });
            }
        }
    }
    variables
}

/// The first port to give away. `variable` is the application's own `PORT`.
fn base_port(
    source: &Source,
    variable: Option<Variable>,
    environment: &BTreeMap<OsString, OsString>,
) -> Result<u16, Mistake> {
    let check = |text: &str, place: Option<Place>, what: &str| {
        let port = text.trim().parse().ok().filter(|port| *port > 0);
        port.ok_or_else(|| {
            let problem = format!("{what} must be a port, from 1 to {}, but is `{}`", u16::MAX, shown(text));
            Mistake { place, problem }
        })
    };
    if let Some(port) = source.port {
        return check(&port.to_string(), None, "--port");
    }
    if let Some(Variable { value, place }) = variable.filter(|variable| !variable.value.trim().is_empty()) {
        return check(&value, place, "PORT");
    }
    match environment.get(OsStr::new("PORT")).map(|port| port.to_string_lossy()) {
        Some(port) if !port.trim().is_empty() => check(&port, None, "PORT in the environment (or give --port)"),
        _ => Ok(DEFAULT_PORT),
    }
}

/// Name of the variable with the types whose stdin can be written to, with blanks between them.
const REDIRECT_INPUT: &str = "GAFFER_REDIRECT_INPUT";

fn redirect_input(
    procfile: &Procfile,
    variables: &Variables,
    environment: &BTreeMap<OsString, OsString>,
    warnings: &mut Vec<Mistake>,
) -> BTreeSet<String> {
    let Some(Variable { value, place }) = variables.get(REDIRECT_INPUT) else {
        let names = environment.get(OsStr::new(REDIRECT_INPUT)).map(|names| names.to_string_lossy());
        // It may be meant for other applications too.
        return names.unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    };
    for name in value.split_whitespace().filter(|name| procfile.get(name).is_none()) {
        let problem = format!("{REDIRECT_INPUT}: `{}` is no process type of the Procfile", shown(name));
        warnings.push(Mistake { place: place.clone(), problem });
    }
    value.split_whitespace().map(str::to_owned).collect()
}

/// Variables, and some more.
fn with<const N: usize>(env: &BTreeMap<String, String>, more: [(&str, String); N]) -> BTreeMap<String, String> {
    let mut env = env.clone();
    env.extend(more.map(|(key, value)| (key.to_owned(), value)));
    env
}

/// The known name that may have been meant.
fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // The work grows with the length, and no name is that long.
    if name.len() > 255 { None } else { suggest(name, known) }
}

/// A position in a Procfile, whose length is bounded.
fn to_u32(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
