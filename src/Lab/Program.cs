return await Hexabase.DrConsole.Lab.LabCommands.RunAsync(args).ConfigureAwait(false);
